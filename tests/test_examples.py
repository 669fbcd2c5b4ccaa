"""Every example runs as it stands, quickly, in a checkout of its own, which it leaves clean."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from places import ROOT

NEEDS = {"outside_sb3": "stable_baselines3", "outside_torchrl": "torchrl", "outside_axelrod": "axelrod"}
ARGUMENTS = {"toll_design": ["quick"]}  # a descent of two steps
LONGEST = {"toll_design": 120, **dict.fromkeys(NEEDS, 45)}  # lines
SLOW = ["outside_axelrod"]  # a quarter of a minute is Axelrod's import
EXAMPLES = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])
    for path in sorted((ROOT / "examples").glob("*.py"))
    if not path.stem.startswith("human_play")  # longer, and needs a folder: test_human_play.py
]


def run(script, folder, *arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", str(script), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def untracked(checkout):
    """What git would have the user commit."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=checkout, check=True, capture_output=True
    ).stdout.decode()


@pytest.fixture
def checkout(tmp_path):
    """An empty repository that ignores what ours ignores."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".git" / "info" / "exclude").write_text((ROOT / ".gitignore").read_text())
    return tmp_path


def test_a_file_left_behind_would_be_seen(checkout):
    (checkout / "plays.csv").touch()
    assert untracked(checkout) == "?? plays.csv\n"


@pytest.mark.parametrize("script", EXAMPLES)
def test_example_runs_is_short_and_leaves_nothing_behind(script, checkout):
    needs = NEEDS.get(script.stem, "numpy")
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"needs {needs}")
    printed = run(script, checkout, *ARGUMENTS.get(script.stem, []))
    assert printed
    assert len(script.read_text().splitlines()) < LONGEST.get(script.stem, 40)
    assert untracked(checkout) == ""
    if script.stem == "outside_axelrod":
        assert "The model does not describe" in printed
    if script.stem == "congestion_demo":
        assert (checkout / "output" / "recovered_against_true.png").stat().st_size > 10_000


def test_own_csv_takes_a_file(tmp_path):
    rows = ["episode,round,agent,action"]
    rows += [f"{e},{t},{who},{('up', 'down')[(e + t) % 2]}" for e in range(4) for t in range(6) for who in "ab"]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    assert "a=up" in run(ROOT / "examples" / "own_csv.py", tmp_path, "mine.csv")


def test_the_custom_estimator_runs_in_a_suite(tmp_path):
    (tmp_path / "mine.toml").write_text('tasks = ["matrix-5x5-v0"]\nestimators = ["equilibrium", "LeastSquares"]\n')
    script = tmp_path / "bench.py"
    script.write_text("from diml_inverse.cli import main\n\nif __name__ == '__main__':\n    main()\n")
    plugin = f"{ROOT / 'examples' / 'custom_estimator.py'}:LeastSquares"
    table = run(script, tmp_path, "bench", "mine.toml", "--plugin", plugin, "--quick", "-o", "results")
    errors = {row.split(",")[1]: float(row.split(",")[3]) for row in table.splitlines()[1:]}
    assert 0 < errors["LeastSquares"] < errors["equilibrium"]
