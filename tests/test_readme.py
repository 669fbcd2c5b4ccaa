"""Every block of the README runs, in order, in one empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import matplotlib
import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(python|bash)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    readme = types.ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", readme)  # where dataclasses look their module up
    for number, (language, code) in enumerate(blocks()):
        if language == "python":
            exec(compile(code, f"README block {number}", "exec"), vars(readme))
        else:
            for line in code.splitlines():
                run_command(line)
    assert (tmp_path / "fit" / "payoff_differences.csv").exists()
    assert (tmp_path / "congestion_fit" / "picture.png").exists()


def run_command(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "diml", f"only diml commands are tested; got {line!r}"
    command = [sys.executable, "-c", "from diml_inverse.cli import main; main()", *arguments]
    here = os.environ | {"PYTHONPATH": str(README.parent)}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
    assert result.returncode == 0, f"{line}\n{result.stderr}"


def test_the_two_commands_are_in_the_makefile() -> None:
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README.read_text(), re.MULTILINE):
        assert f"\n{target}: " in makefile
