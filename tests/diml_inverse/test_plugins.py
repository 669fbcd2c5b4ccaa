"""Plug-ins by entry point and from a file: found, built, used by the commands; what is wrong with one is said."""

import sys

import pytest
from click.testing import CliRunner

from diml_inverse import Estimate, plugins
from diml_inverse.cli import main

ENTRY_POINTS = """
[diml.estimators]
constant = stranger:Constant
broken = stranger_that_fails:Anything

[diml.learners]
stubborn = stranger:Stubborn

[diml.mechanisms]
offset = stranger:Offset
"""
STRANGER = '''
from dataclasses import dataclass

import numpy as np
import torch

import agents
from diml_envs import Mechanism


class Constant:
    def __init__(self, share=0.5, dynamics=None, seed=0):
        if not 0 <= share <= 1:
            raise ValueError("share must be in [0, 1]")
        self.share, self.dynamics, self.seed = share, dynamics, seed

    def fit(self, traces):
        return self


@dataclass(frozen=True)
class Stubborn(agents.Learner):
    action: int = 0

    def start(self, batch_shape, num_actions):
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state, observation):
        return np.broadcast_to(np.eye(state.shape[-1])[self.action], state.shape)

    def update(self, state, feedback):
        return state


class Offset(Mechanism):
    """The more the others' actions add up to, the better is the first action."""

    def __init__(self, action_counts):
        super().__init__(action_counts)
        self.slope = torch.nn.Parameter(torch.zeros(()))

    def config(self):
        return {"action_counts": list(self.action_counts)}

    def forward(self, actions):
        self.validate(actions)
        others = actions.sum(-1, keepdim=True) - actions
        return self.slope * others * (actions == 0)


def needs_dynamics(dynamics):
    return Constant(dynamics=dynamics)


a_number = 3
'''


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """A stranger's distribution, as an installer would leave it, and the same module as a plain file."""
    site = tmp_path / "site"
    (site / "stranger-1.0.dist-info").mkdir(parents=True)
    (site / "stranger-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (site / "stranger-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "stranger.py").write_text(STRANGER)
    (site / "stranger_that_fails.py").write_text("import no_such_module_anywhere")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(STRANGER)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("stranger", "diml_plugin_"))]:
        del sys.modules[name]


def test_names_are_listed_without_an_import():
    assert plugins.names(plugins.ESTIMATORS) == ["broken", "constant"]
    assert "stranger" not in sys.modules


def test_a_name_is_built_in_or_of_an_entry_point():
    assert plugins.load("constant", plugins.ESTIMATORS, {"constant": 7}) == 7
    assert plugins.load("constant", plugins.ESTIMATORS).__module__ == "stranger"


def test_what_is_known_goes_where_the_signature_names_it():
    name, factory = plugins.from_file("mine.py:Constant")
    made = plugins.build_estimator(factory, {"share": 0.25, "seed": 5}, name, dynamics="logit", seed=1, more=2)
    assert (name, made.share, made.dynamics, made.seed) == ("Constant", 0.25, "logit", 5)
    assert plugins.build_estimator(factory, {}, name, dynamics=None).dynamics is None
    assert plugins.required(factory) == set()
    assert plugins.required(plugins.from_file("mine.py:needs_dynamics")[1]) == {"dynamics"}


def test_a_file_runs_once(installed):
    (installed / "once.py").write_text("from pathlib import Path\nwith Path('ran').open('a') as f:\n    f.write('x')\n")
    for _ in range(2):
        plugins.from_file("once.py:Path")
    assert (installed / "ran").read_text() == "x"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plugins.load("constnat", plugins.ESTIMATORS), "no estimator 'constnat'; did you mean 'constant'?"),
        (lambda: plugins.load("x", plugins.LEARNERS, {"hedge": 1}), "no learner 'x'; known: hedge, stubborn"),
        (
            lambda: plugins.load("broken", plugins.ESTIMATORS),
            r"estimator 'broken' of entry-point group 'diml.estimators' \(stranger_that_fails:Anything of stranger\) "
            "cannot be imported: ModuleNotFoundError",
        ),
        (lambda: plugins.from_file("mine.py"), "given as FILE.py:NAME"),
        (lambda: plugins.from_file("mine.py:Constnat"), "defines no 'Constnat'; did you mean 'Constant'?"),
        (lambda: plugins.from_file("fails.py:X"), "running fails.py ended in ZeroDivisionError"),
        (lambda: plugins.from_file("leaves.py:X"), "running leaves.py ended in SystemExit"),
        (lambda: built("Constant", {"shrae": 1}), "estimator 'it' takes no setting 'shrae'; did you mean 'share'?"),
        (lambda: built("Constant", {"share": 7}), r"estimator 'it' refuses its settings \(share=7\): share must be"),
        (lambda: built("needs_dynamics", {}), "estimator 'it' needs dynamics, of which nothing is known here"),
        (lambda: built("a_number", {}), "estimator 'it' is a int: give its class"),
        (lambda: built("Stubborn", {}), "estimator 'it' is a Stubborn without fit"),
    ],
)
def test_errors_say_which_and_what_to_do(installed, call, message):
    (installed / "fails.py").write_text("1 / 0")
    (installed / "leaves.py").write_text("raise SystemExit(3)")
    with pytest.raises(ValueError, match=message):
        call()


def built(name, settings):
    return plugins.build_estimator(plugins.from_file(f"mine.py:{name}")[1], settings, "it", dynamics=None)


def test_no_such_file():
    with pytest.raises(FileNotFoundError, match=r"plug-in 'none.py:X': no file none.py"):
        plugins.from_file("none.py:X")


def test_a_name_offered_twice_is_refused(installed):
    other = installed / "site" / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[diml.estimators]\nconstant = other:Constant\n")
    with pytest.raises(ValueError, match=r"'constant' is offered more than once .*uninstall one"):
        plugins.load("constant", plugins.ESTIMATORS)


def diml(line):
    return CliRunner().invoke(main, line.split())


@pytest.mark.parametrize("learner", ["stubborn", "mine.py:Stubborn"])
def test_rollout_by_a_plugged_in_learner(learner, installed):
    result = diml(f"rollout diml/matrix_v0 --episodes 2 --learner {learner} --learner-set action=1 -o plays.csv")
    assert result.exit_code == 0, result.output
    rows = (installed / "plays.csv").read_text().splitlines()[1:]
    assert len({row.rsplit(",", 1)[1] for row in rows}) == 1


@pytest.mark.parametrize("mechanism", ["offset", "mine.py:Offset"])
def test_fit_of_a_plugged_in_mechanism(mechanism, installed):
    assert diml("rollout diml/matrix_v0 --episodes 8 -o plays.csv").exit_code == 0
    result = diml(f"fit plays.csv -o fit --mechanism {mechanism}")
    assert result.exit_code == 0, result.output
    own = plugins.find(mechanism, plugins.MECHANISMS)([2, 2])
    fitted = Estimate.load(installed / "fit" / "estimate.safetensors", mechanism=own)
    assert float(fitted.mechanism.slope) != 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit plays.csv -o fit --mechanism offste", "no mechanism 'offste'; did you mean 'offset'?"),
        (
            "fit plays.csv -o fit --mechanism fails.py:make",
            "mechanism 'fails.py:make' could not be made: KeyError: 'no'",
        ),
        ("rollout diml/matrix_v0 -o a.csv --learner fails.py:Nobody", "learner 'fails.py:Nobody': 'agent_0' cannot be"),
        ("fit plays.csv -o fit --mechanism mine.py:Constant", "mechanism 'mine.py:Constant' is a Constant, not a diml"),
        ("rollout diml/matrix_v0 -o a.csv --learner stubbron", "no learner 'stubbron'; did you mean 'stubborn'?"),
        ("rollout diml/matrix_v0 -o a.csv --learner stubborn --learner-set actoin=1", "did you mean 'action'?"),
        ("rollout diml/matrix_v0 -o a.csv --learner stubborn --learner-set action=up", "action must be int"),
    ],
)
def test_commands_say_what_is_wrong_in_a_line(line, message, installed):
    fails = "def make():\n    raise KeyError('no')\n\n\nclass Nobody:\n    pass\n"
    (installed / "fails.py").write_text(fails)
    assert diml("rollout diml/matrix_v0 --episodes 8 -o plays.csv").exit_code == 0
    result = diml(line)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr
