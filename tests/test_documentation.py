"""Every block of the README and of the guides runs: a page's, in order, in one empty folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import matplotlib
import pytest
from places import ROOT

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


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs sphinx")
def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "AttractionDynamics" in (tmp_path / "reference" / "dynamics.html").read_text()
