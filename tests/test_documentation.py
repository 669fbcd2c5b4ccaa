"""Every block of the README and of the guides runs: a page's, in order, in one empty folder."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest
from places import ROOT

from diml_envs.games.registration import GAMES

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(python|bash)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # where dataclasses look their module up
    for number, (language, code) in enumerate(blocks(page)):
        if language == "python":
            exec(compile(code, f"{page.name} block {number}", "exec"), vars(module))
        else:
            for line in code.replace("\\\n", " ").splitlines():
                run_command(line)
    if page == README:
        assert (tmp_path / "fit" / "payoff_differences.csv").exists()
        assert (tmp_path / "congestion_fit" / "picture.png").exists()


def run_command(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "diml", f"only diml commands are tested; got {line!r}"
    command = [sys.executable, "-c", "from diml_inverse.cli import main; main()", *arguments]
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
    assert result.returncode == 0, f"{line}\n{result.stderr}"


def test_the_two_commands_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README.read_text(), re.MULTILINE):
        assert f"\n{target}: " in makefile


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation site, built with every warning an error."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("needs sphinx")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def test_the_site_has_the_docstrings_and_names_who_holds_the_copyright(site: Path) -> None:
    page = (site / "reference" / "dynamics.html").read_text()
    assert "AttractionDynamics" in page
    assert "the diml contributors" in page
    assert "the diml contributors" in (ROOT / "LICENSE").read_text()


WORDS = ROOT / "docs" / "words.md"


def terms() -> list[str]:
    lines = re.findall(r"^([^\n#:][^\n]*)\n: ", WORDS.read_text(), re.MULTILINE)
    return [term for line in lines for term in line.split(", ")]


def test_every_word_explained_is_one_that_a_reader_meets() -> None:
    others = [page for page in [*PAGES, *(ROOT / "docs" / "reference").glob("*.md")] if page != WORDS]
    code = [file for folder in ("diml_envs", "agents", "diml_inverse") for file in (ROOT / folder).rglob("*.py")]
    read = " ".join(re.sub(r"[\s_*`]+", " ", file.read_text().lower()) for file in others + code)
    assert len(terms()) > 30
    assert [term for term in terms() if not re.search(rf"\b{re.escape(term.lower())}", read)] == []


@pytest.mark.parametrize(
    "jargon", ["surrogate", "gauge", "nats", "evidence", "effective observations", "family", "member", "suite", "E1"]
)
def test_the_jargon_is_explained(jargon: str) -> None:
    assert jargon in terms()


def test_the_site_links_the_words_and_readme_does(site: Path) -> None:
    assert 'href="words.html"' in (site / "index.html").read_text()
    assert "<dt>surrogate" in (site / "words.html").read_text()
    assert "(docs/words.md)" in README.read_text()


def test_the_two_ids_of_every_game_stand_side_by_side() -> None:
    page = (ROOT / "docs" / "environments.md").read_text()
    for game in GAMES:
        assert f"| `diml/{game}_v0` | `diml/{game.title().replace('_', '')}-v0` |" in page


class Fetched(HTMLParser):
    """The addresses that a browser asks for in order to show a page; links that a reader may follow are none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.addresses += [given[name] for name in ("src", "srcset", "poster", "data") if name in given]
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev", "index", "search"):
            self.addresses.append(given.get("href", ""))
        self.addresses += re.findall(r"url\(([^)]*)\)", given.get("style", ""))


def foreign(addresses: Iterable[str]) -> list[str]:
    return [address for address in addresses if re.match(r"[\"']?(https?:)?//", address.strip())]


def test_what_a_page_fetches_is_seen() -> None:
    page = '<script src="https://cdn/x.js"></script><link rel="stylesheet" href="//cdn/x.css"><a href="https://a">a</a>'
    assert foreign(Fetched(page).addresses) == ["https://cdn/x.js", "//cdn/x.css"]


def test_the_site_needs_no_network(site: Path) -> None:
    pages = {path: Fetched(path.read_text()).addresses for path in site.rglob("*.html")}
    assert len(pages) > 15
    assert {path.name: foreign(found) for path, found in pages.items() if foreign(found)} == {}
    for style in site.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import\s+)([^);]*)", style.read_text())
        assert foreign(loaded) == [], style


def test_long_lines_of_code_wrap(site: Path) -> None:
    assert "white-space: pre-wrap" in (site / "_static" / "wrap.css").read_text()
    assert "_static/wrap.css" in (site / "own_csv.html").read_text()


def test_formulas_are_drawn_by_the_browser_itself(site: Path) -> None:
    page = (site / "maths.html").read_text()
    written = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", (ROOT / "docs" / "maths.md").read_text(), re.DOTALL)
    assert page.count("<math ") == len(written) > 30
    assert not re.search(r"<m[ion]>[^<]*\\\\", page), "a command that was not understood"


PACKAGES = ("diml_envs", "agents", "diml_inverse")


def written() -> dict[str, str]:
    """All that people read about the code: pages, docstrings, comments."""
    code = [file for folder in PACKAGES for file in (ROOT / folder).rglob("*.py")]
    return {str(file.relative_to(ROOT)): file.read_text() for file in [*PAGES, ROOT / "CONTRIBUTING.md", *code]}


def test_what_the_pages_and_docstrings_name_is_there() -> None:
    """`diml_envs.frames` stood in docstrings long after the module had moved."""
    missing = []
    for place, text in written().items():
        for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)\b(?!/)", text):
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError):
                missing.append(f"{place}: {name}")
    assert missing == []


def test_the_files_that_contributing_names_are_there() -> None:
    named = re.findall(r"`([\w./]+/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 20
    under = [ROOT, ROOT / "diml_inverse", ROOT / "agents", ROOT / "diml_inverse/benchmark", ROOT / "diml_inverse/cli"]
    assert [name for name in named if name != "output/" and not any((top / name).exists() for top in under)] == []
