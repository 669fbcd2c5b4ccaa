"""What needs no torch is answered without it: help, lists, and every error in the arguments."""

import csv
import subprocess
import sys

import pettingzoo
from click.testing import CliRunner
from places import ROOT

import agents
import diml_envs
from diml_envs.games.registration import GAMES
from diml_inverse.benchmark.running.estimators import ABLATION, ESTIMATORS
from diml_inverse.benchmark.running.suites import SUITES
from diml_inverse.cli import main
from diml_inverse.cli.commands import bench
from diml_inverse.cli.commands.rollout import LEARNERS
from diml_inverse.cli.group import COMMANDS

HEAVY = ("torch", "numba", "pandas", "scipy", "matplotlib", "sklearn", "ray")
PLAYS = "episode,round,agent,action\n0,0,a,x\n"

WRONG = [
    ("--help", 0, "Recover the payoffs"),
    ("envs", 0, ""),
    ("fti plays.csv", 2, "no command 'fti'; did you mean 'fit'?"),
    ("fit plays.csv", 2, "Missing option '-o'"),
    ("fit plays.csv -o fit --wrong", 2, "No such option '--wrong'"),
    ("fit nowhere.csv -o fit", 1, "no file nowhere.csv"),
    ("fit plays.csv -o plays.csv", 1, "plays.csv is a file; name a folder"),
    ("fit plays.csv -o fit --mechanism tabluar", 1, "did you mean 'tabular'?"),
    ("fit plays.csv -o fit --precision -1", 2, "precision must be in [0, infinity); got -1"),
    ("fit plays.csv -o fit --exploration 1", 2, "exploration must be in [0, 1); got 1"),
    ("fit plays.csv -o fit --learning-rate nan", 2, "learning_rate must be in [0, 1]; got nan"),
    ("fit plays.csv -o fit --learners auto --precision 2", 2, "--precision has no meaning with --learners auto"),
    ("identify nowhere.csv -o fit", 1, "no file nowhere.csv"),
    ("evaluate fit plays.csv", 1, "no fit in fit"),
    ("rollout diml/congestoin_v0 -o a.nc", 2, "did you mean 'diml/congestion_v0'?"),
    ("rollout diml/congestion_v0 -o a.nc --learner hegde", 1, "did you mean 'hedge'?"),
    ("rollout diml/congestion_v0 -o plays.csv", 1, "plays.csv exists"),
    ("bench papr -o results", 2, "did you mean 'paper'?"),
    ("tasks --export x", 2, "--export takes the name of one task"),
    ("score", 2, "Missing argument 'TASK'"),
    ("report", 2, "Missing argument 'RESULTS'"),
]
LINES = [*WRONG, *((f"{command} --help", 0, "Example") for command in COMMANDS)]


def test_no_heavy_package_is_loaded(tmp_path):
    """All lines in one process, one after another: nothing that any of them loads could be missed."""
    (tmp_path / "plays.csv").write_text(PLAYS)
    script = f"""
import sys
from click.testing import CliRunner
from diml_inverse.cli import main
for line, code, text in {LINES!r}:
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == code, (line, result.output)
    assert text in result.output, (line, result.output)
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, (line, loaded)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_list_of_games_is_what_they_are():
    printed = list(csv.DictReader(CliRunner().invoke(main, ["envs"]).stdout.splitlines()))
    assert [row["env_id"] for row in printed] == [f"diml/{game}_v0" for game in GAMES]
    for row in printed:
        env = pettingzoo.make("parallel", row["env_id"])
        sizes = [str(size) for size in (len(env.possible_agents), max(env.action_counts), env.max_cycles)]
        assert [row["num_agents"], row["num_actions"], row["max_cycles"]] == sizes
        assert row["about"] == getattr(diml_envs, row["env_id"].removeprefix("diml/")).__doc__.partition("\n")[0]


def test_names_in_help_are_those_there_are():
    named = set(bench.ESTIMATORS.split(", "))
    assert named == {name for name in ESTIMATORS if not name.startswith("as_")} | {"as_MEMBER"}
    assert tuple(bench.ABLATION.split(", ")) == ABLATION
    assert {path.stem for path in bench.SUITES.glob("*.toml")} == set(SUITES)
    assert all(issubclass(getattr(agents, name), agents.Learner) for name in LEARNERS.values())
