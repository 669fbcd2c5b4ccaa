"""The page of a run as text, and `diml report`."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from benchmark_tasks import CONGESTION
from click.testing import CliRunner
from page_results import HOSTILE, Made, make_failure, make_results, without

from diml_inverse.benchmark.page import write_page
from diml_inverse.benchmark.page.content import plain
from diml_inverse.benchmark.running.cells import Cell, Record, run_cell
from diml_inverse.benchmark.running.suites import SUITES
from diml_inverse.cli import benching, main


def written(results, output):
    return write_page(results, output).read_text()


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_a_run_of_real_cells(tmp_path):
    for seed in (0, 1):
        run_cell(Cell(CONGESTION, "structured", seed, "paper", "diml bench paper"), tmp_path / "results")
    page = written(tmp_path / "results", tmp_path / "report")
    cells = data_of(page)["cells"]
    assert [(cell["task"], cell["seed"], cell["suite"]) for cell in cells] == [("E2", 0, "paper"), ("E2", 1, "paper")]
    assert cells[0]["command"] == "diml bench paper"
    assert {"python", "torch", "diml"} <= set(cells[0]["versions"])
    for section in ("leaderboard", "heat-map", "time", "learning", "recovered", "cells"):
        assert f'<section id="{section}">' in page
    sample = pd.read_csv(tmp_path / "results" / "differences" / "E2" / "structured" / "0.csv")
    assert list(sample) == ["true", "recovered"]
    assert 0 < len(sample) <= 500


def test_numbers_of_the_leaderboard_are_those_of_the_cells(tmp_path):
    page = written(make_results(tmp_path / "results"), tmp_path / "report")
    standings = data_of(page)["suites"]["paper"]["standings"]["payoff_difference_mse_relative"]
    assert [row[:2] for row in standings[""]] == [["auto", 1], ["neural", 2], ["cloning", None]]
    assert [row[:2] for row in standings["E2"]] == [["auto", 1], ["neural", 2], ["cloning", 3]]
    assert standings["E2"][0][2] == pytest.approx(0.11)  # of .10, .11 and .12


def test_the_same_results_make_the_same_page(tmp_path):
    results = make_results(tmp_path / "results")
    assert written(results, tmp_path / "one") == written(results, tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["index.html"]


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    page = written(make_results(tmp_path / "results"), tmp_path / "report")
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)|@import|url\((?!#)""", page)
    assert "default-src 'none'" in page


def test_ids_are_unique(tmp_path):
    page = written(make_results(tmp_path / "results"), tmp_path / "report")
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_names_and_logs_stay_text(tmp_path):
    results = make_results(tmp_path / "results", tasks=("E1", HOSTILE), estimators=("auto", HOSTILE), seeds=[0])
    make_failure(results, log="</script><script>alert(1)</script><!-- <script>")
    page = written(results, tmp_path / "report")
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page
    logs = {cell["estimator"]: cell["log"] for cell in data_of(page)["cells"]}
    assert logs == {"auto": "", HOSTILE: "", "tabular": "</script><script>alert(1)</script><!-- <script>"}


def test_records_of_older_releases(tmp_path):
    results = make_results(tmp_path / "results", seeds=[0])
    for path in results.glob("cells/*/*/*.json"):
        without(path, "suite", "command", "versions")
    cells = data_of(written(results, tmp_path / "report"))["cells"]
    assert {(cell["suite"], cell["command"]) for cell in cells} == {("paper", "")}


def test_only_failures(tmp_path):
    make_failure(tmp_path / "results")
    page = written(tmp_path / "results", tmp_path / "report")
    assert "1 failed" in page
    assert '<section id="time">' not in page


@pytest.mark.slow
def test_three_hundred_cells_stay_small(tmp_path):
    tasks, estimators = [f"T{i}" for i in range(12)], [f"estimator_{i}" for i in range(8)]
    results = make_results(tmp_path / "results", tasks, estimators, points=500)
    assert len(written(results, tmp_path / "report")) < 5e6


def test_what_is_no_number():
    assert plain({"a": [float("nan"), float("inf"), 1 / 3, 2, None]}) == {"a": [None, "∞", 0.333333, 2, None]}


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_bench_to_page(tmp_path, monkeypatch):
    monkeypatch.setattr(benching, "SUITES", {"paper": replace(SUITES["paper"], tasks={"E2": CONGESTION})})
    run = ("bench", "paper", "--tasks", "E2", "--estimators", "equilibrium", "--seeds", 0, "-o", tmp_path / "results")
    assert diml(*run).exit_code == 0
    result = diml("report", tmp_path / "results", "-o", tmp_path / "report")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert str(tmp_path / "report" / "index.html") in result.stderr
    (cell,) = data_of((tmp_path / "report" / "index.html").read_text())["cells"]
    assert cell["command"] == "diml bench paper --tasks E2 --estimators equilibrium --seeds 0 -o cell/"
    again = diml("report", tmp_path / "results", "-o", tmp_path / "report")
    assert again.exit_code == 0


def break_record(results):
    next(results.glob("cells/*/*/*.json")).write_text('{"task": "E1"')


def empty_record(results):
    Made(results, "E1", "auto", 0).record([])


def break_number(results):
    path = results / "cells/E1/auto/0.json"
    path.write_text(path.read_text().replace("3.5", '"long"'))


def misplace_record(results):
    Record.load(results / "cells/E1/auto/0.json").save(results / "cells/E9/auto/0.json")
    (results / "cells/E1/auto/0.json").unlink()


def break_differences(results):
    (results / "differences/E1/auto/0.csv").write_text("true,other\n1,2\n")


def break_curve(results):
    (results / "curves/E1/auto/0.csv").write_text('epoch\n1\n2,"3\n')


def remove_cells(results):
    for path in results.glob("cells/*/*/*.json"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_record, "0.json is not the record of a cell"),
        (empty_record, "the record of E1 auto 0 has no scores"),
        (break_number, "the record of E1 auto 0 is damaged"),
        (misplace_record, "the record of E1 auto 0 is not in the file of that name"),
        (break_differences, "0.csv has no column recovered"),
        (break_curve, "0.csv is damaged"),
        (remove_cells, "holds no cells"),
    ],
)
def test_damaged_results_are_one_line(damage, message, tmp_path):
    damage(make_results(tmp_path / "results", seeds=[0], estimators=["auto"]))
    result = diml("report", tmp_path / "results", "-o", tmp_path / "report")
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_no_such_folder(tmp_path):
    result = diml("report", tmp_path / "nowhere", "-o", tmp_path / "report")
    assert (result.exit_code, result.stderr) == (1, f"Error: no folder {tmp_path / 'nowhere'}\n")


def test_another_page_is_not_replaced(tmp_path):
    results = make_results(tmp_path / "results", seeds=[0])
    (tmp_path / "index.html").write_text("<p>mine")
    result = diml("report", results, "-o", tmp_path)
    assert result.exit_code == 1
    assert "is no page of diml report" in result.stderr
    assert (tmp_path / "index.html").read_text() == "<p>mine"
