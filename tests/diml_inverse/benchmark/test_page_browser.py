"""The page in a browser: Chromium without a window, on made-up results."""

import shutil
import time

import pytest
from page_results import HOSTILE, make_failure, make_results
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from diml_inverse.benchmark.page import write_page

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # which root needs
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
DASH = "\u2013"  # for what is missing
PLOTS = "#time figure, #learning figure, #recovered details[open] figure"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium and chromedriver (Debian: chromium chromium-driver)"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    results = make_results(tmp_path_factory.mktemp("results"))
    make_failure(results, "E2", "tabular", log="line\n" * 5 + "</script><script>window.harmed = true</script>\n")
    return write_page(results, tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture
def page(driver, address):
    driver.get(address)
    return driver


def column(page, table, place):
    return [cell.text for cell in page.find_elements(By.CSS_SELECTOR, f"{table} tbody td:nth-child({place})")]


def head(page, table, name):
    return page.find_element(By.XPATH, f"//table[@id='{table}']//th[button[text()='{name}']]")


def choose(page, name, value):
    Select(page.find_element(By.ID, name)).select_by_value(value)


def is_open(page):
    return page.execute_script("return document.getElementById('details').open")


def colour(page, selector, name):
    return page.execute_script(f"return getComputedStyle(document.querySelector('{selector}'))['{name}']")


def test_no_errors_and_nothing_fetched(page):
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_leaderboard(page):
    assert column(page, "#leaderboards table", 1) == ["1", "2", DASH, DASH]
    assert column(page, "#leaderboards table", 2) == ["auto", "neural", "cloning", "tabular"]  # the last one failed
    choose(page, "metric", "log_likelihood")
    assert column(page, "#leaderboards table", 1) == ["1", "2", "3", DASH]


def test_sorting_by_click(page):
    first = head(page, "cell-table", "Value")
    assert first.get_attribute("aria-sort") == "none"
    first.find_element(By.TAG_NAME, "button").click()
    values = [float(text) for text in column(page, "#cell-table", 4) if text[0].isdigit()]
    assert first.get_attribute("aria-sort") == "ascending"
    assert values == sorted(values)
    first.find_element(By.TAG_NAME, "button").click()
    texts = column(page, "#cell-table", 4)
    assert first.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in texts[: len(values)]] == values[::-1]
    missing = {text.split(":")[0] for text in texts[len(values) :]}
    assert missing == {DASH, "error"}  # last both ways


def test_sorting_by_keyboard(page):
    button = head(page, "cell-table", "Seed").find_element(By.TAG_NAME, "button")
    page.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    assert column(page, "#cell-table", 3) == sorted(column(page, "#cell-table", 3))
    page.switch_to.active_element.send_keys(Keys.SPACE)  # the button kept the focus
    assert head(page, "cell-table", "Seed").get_attribute("aria-sort") == "descending"


def test_filters(page):
    assert page.find_element(By.ID, "shown").text.startswith("19 of 19 cells")
    choose(page, "task", "E2")
    choose(page, "estimator", "auto")
    assert set(column(page, "#cell-table", 1)) == {"E2"}
    assert set(column(page, "#cell-table", 2)) == {"auto"}
    assert column(page, "#leaderboards table", 2) == ["auto"]
    shown = [figure for figure in page.find_elements(By.CSS_SELECTOR, "figure") if figure.is_displayed()]
    assert {figure.get_attribute("data-task") for figure in shown} == {"E2"}
    page.find_element(By.CSS_SELECTOR, "#filters [type=reset]").click()
    WebDriverWait(page, 5).until(lambda page: len(column(page, "#cell-table", 1)) == 19)


def test_every_plot_is_shown(page):
    metrics = set()
    for metric in ("payoff_difference_mse_relative", "choice_kl"):
        choose(page, "metric", metric)
        figures = [figure for figure in page.find_elements(By.CSS_SELECTOR, PLOTS) if figure.is_displayed()]
        assert len(figures) == 2 + 2 + 3
        metrics |= {figure.get_attribute("data-metric") for figure in figures}
        for figure in figures:
            size = figure.find_element(By.TAG_NAME, "svg").rect
            assert min(size["width"], size["height"]) > 100
    assert metrics == {"", "payoff_difference_mse_relative", "choice_kl"}
    squares = page.find_elements(By.CSS_SELECTOR, ".heat tbody td[style*=background]")
    assert len(squares) == 2 * 3


def test_a_number_opens_its_cell_and_escape_closes_it(page):
    page.find_element(By.CSS_SELECTOR, "#cell-table tbody button").click()
    assert is_open(page)
    text = page.find_element(By.ID, "details").text
    for fact in ("diml bench paper --tasks E1 --seeds 0 -o cell/", "torch 2.6.0", "E1, auto, seed 0", "num_agents 3"):
        assert fact in text
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not is_open(page)


def test_dialog_by_keyboard_and_button(page):
    number = page.find_element(By.CSS_SELECTOR, "#leaderboards tbody button")
    page.execute_script("arguments[0].focus()", number)
    number.send_keys(Keys.ENTER)
    assert len(page.find_elements(By.CSS_SELECTOR, "#details-body > details")) == 6
    page.find_element(By.ID, "close").click()
    assert not is_open(page)
    assert page.switch_to.active_element == number


def test_a_mark_in_a_plot_opens_its_cell(page):
    mark = page.find_element(By.CSS_SELECTOR, "#time [data-cell] use")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    webdriver.ActionChains(page).move_to_element(mark).click().perform()
    assert is_open(page)
    assert "seed" in page.find_element(By.ID, "details-title").text


def test_a_log_is_text(page):
    choose(page, "estimator", "tabular")
    page.find_element(By.CSS_SELECTOR, "#cell-table tbody button").click()
    assert "</script><script>window.harmed" in page.find_element(By.CSS_SELECTOR, "#details-body pre").text
    assert page.execute_script("return window.harmed") is None


def test_each_suite_has_its_leaderboard_and_heat_map(driver, tmp_path):
    results = make_results(tmp_path / "results", tasks=("E1", "logit"), suites=("paper", "learners"))
    driver.get(write_page(results, tmp_path / "report").as_uri())
    WebDriverWait(driver, 10).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#heatmaps tbody th"))
    for section in ("leaderboards", "heatmaps"):
        titles = [title.text for title in driver.find_elements(By.CSS_SELECTOR, f"#{section} h3")]
        assert titles == ["paper", "learners"]
    assert [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#heatmaps tbody th")] == ["E1", "logit"]
    assert driver.get_log("browser") == []


def test_hostile_names_do_nothing(driver, tmp_path):
    results = make_results(tmp_path / "results", tasks=("E1", HOSTILE), estimators=("auto", HOSTILE))
    driver.get(write_page(results, tmp_path / "report").as_uri())
    WebDriverWait(driver, 10).until(lambda page: HOSTILE in column(page, "#leaderboards table", 2))
    driver.find_elements(By.CSS_SELECTOR, "#cell-table tbody button")[-1].click()
    assert HOSTILE in driver.find_element(By.ID, "details-title").text
    time.sleep(0.2)  # what an image that cannot be loaded would need to run its handler
    assert not driver.find_elements(By.CSS_SELECTOR, "img")
    assert driver.get_log("browser") == []


def test_dark_and_light(page):
    light = colour(page, "body", "backgroundColor"), colour(page, "#time svg use", "fill")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    try:
        assert light[0] == "rgb(255, 255, 255)"
        assert colour(page, "body", "backgroundColor") == "rgb(21, 23, 26)"
        assert colour(page, "#time svg use", "fill") not in (light[1], "rgb(0, 0, 0)")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_runs_out_of_a_phone(page, width):
    phone = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.refresh()
        assert page.execute_script("return document.documentElement.scrollWidth") == width
        page.find_element(By.CSS_SELECTOR, "#cell-table tbody button").click()
        box = page.find_element(By.ID, "details").rect
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.find_element(By.CSS_SELECTOR, "#details-body th").rect["height"] < 40  # a line, no letter by letter
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_paper_shows_everything(page):
    assert page.execute_cdp_cmd("Page.printToPDF", {})["data"]
    folded = "return document.querySelectorAll('main details:not([open])').length"
    before = page.execute_script(folded)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(folded) == 0 < before
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(folded) == before
