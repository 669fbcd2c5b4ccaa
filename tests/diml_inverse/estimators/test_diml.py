"""DIML: reproducible, stopped early, resumed exactly, and right where the truth is known."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from places import HELPERS, ROOT
from safetensors import safe_open
from safetensors.torch import save_file
from slow_definitions import played, random_traces
from torch import Tensor

from diml_envs import Traces
from diml_envs.mechanisms import (
    AuctionMechanism,
    CallableMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    TabularMechanism,
)
from diml_inverse import DIML, Estimate, Estimator, LogitDynamics, TabularMLE, log_likelihood, metrics
from diml_inverse.estimators.training import Training


def small() -> NeuralMechanism:
    return NeuralMechanism(2, [2, 3], embedding_dim=3, hidden=(8,))


def traces_of_small() -> Traces:
    return random_traces([2, 3], [6, 9, 4, 8, 7, 5, 9, 6])


def quick(**settings: Any) -> DIML:
    """A fit of a moment: two members, batches of three, checkpoints every four epochs."""
    defaults: dict[str, Any] = {
        "max_epochs": 14,
        "members": 2,
        "batch_size": 3,
        "step_size": 0.02,
        "checkpoint_every": 4,
    }
    return DIML(small(), LogitDynamics(), **{**defaults, **settings})


def assert_same_fit(first: Estimate, second: Estimate) -> None:
    """Identical to the last bit, wall time apart."""
    states = first.mechanism.state_dict(), second.mechanism.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    pd.testing.assert_frame_equal(
        first.history.drop(columns="seconds"), second.history.drop(columns="seconds"), check_exact=True
    )
    assert first.info == second.info


def training_of(estimator: DIML, traces: Traces) -> Training:
    return Training(estimator.mechanism, estimator.dynamics, traces, estimator.settings(), 0, "cpu")


def test_is_an_estimator() -> None:
    assert isinstance(quick(), Estimator)


def test_the_same_seed_gives_the_same_fit() -> None:
    torch.manual_seed(0)
    first = quick(seed=5).fit(traces_of_small())
    torch.manual_seed(1)
    assert_same_fit(first, quick(seed=5).fit(traces_of_small()))


def test_another_seed_gives_another_fit() -> None:
    first, second = (quick(seed=seed).fit(traces_of_small()).mechanism.state_dict() for seed in (0, 1))
    assert not any(torch.equal(tensor, second[name]) for name, tensor in first.items() if tensor.numel() > 1)


def test_members_differ_and_the_estimate_is_their_mean() -> None:
    fitted = quick(members=3).fit(traces_of_small()).mechanism
    assert isinstance(fitted, EnsembleMechanism)
    profiles = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    payoffs = torch.stack([member(profiles) for member in fitted.members])
    assert not torch.allclose(payoffs[0], payoffs[1])
    torch.testing.assert_close(fitted(profiles), payoffs.mean(0))


def test_a_single_member_is_no_ensemble() -> None:
    assert type(quick(members=1).fit(traces_of_small()).mechanism) is NeuralMechanism


def test_the_given_mechanism_and_dynamics_are_left_as_they_were() -> None:
    estimator = quick()
    before = {name: tensor.clone() for name, tensor in estimator.mechanism.state_dict().items()}
    estimate = estimator.fit(traces_of_small())
    assert all(torch.equal(tensor, before[name]) for name, tensor in estimator.mechanism.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in estimator.mechanism.parameters())
    assert estimate.dynamics is not estimator.dynamics
    assert not any(p.requires_grad for p in estimate.mechanism.parameters())


def test_a_fit_does_not_depend_on_the_values_the_candidate_holds() -> None:
    first, second = quick(), quick()
    second.mechanism.embedding.weight.data.fill_(100.0)
    assert_same_fit(first.fit(traces_of_small()), second.fit(traces_of_small()))


def test_the_first_epoch_starts_from_no_differences() -> None:
    """All payoffs zero: every choice uniform, -log A on average over the agents' decisions."""
    estimate = quick(batch_size=None, members=1).fit(traces_of_small())
    assert estimate.history.train_log_likelihood[0] == pytest.approx(-(math.log(2) + math.log(3)) / 2, abs=1e-6)


def test_early_stopping_keeps_the_best_held_out_epoch() -> None:
    """Strong steps on little data overfit at once; what is kept must score what the best epoch scored."""
    estimator = quick(members=1, batch_size=None, step_size=0.05, weight_decay=0.0, max_epochs=300, patience=15)
    estimate = estimator.fit(traces_of_small())
    held_out = estimate.history.validation_log_likelihood
    best = int(held_out.argmax())
    assert 0 < best + 1 < len(held_out) < 300
    assert estimate.info["best_epochs"] == [best + 1]
    assert estimate.info["epochs"] == [best + 1 + 15]
    training = training_of(estimator, traces_of_small())
    kept = [e for e in range(8) if traces_of_small().episodes[e] not in training.training_episodes.episodes]
    assert len(kept) == 2
    assert estimate.log_likelihood(traces_of_small()[kept]) == pytest.approx(held_out[best], abs=1e-6)


def test_held_out_episodes_are_not_trained_on() -> None:
    """Changing them changes what is reported of them, and nothing that is fitted before stopping."""
    estimator = quick(members=1, patience=1000)
    traces = traces_of_small()
    trained = set(training_of(estimator, traces).training_episodes.episodes)
    actions = traces.actions.copy()
    for episode in set(range(8)) - trained:
        actions[episode, : traces.lengths[episode]] = 0
    changed = Traces(actions, traces.lengths, action_labels=traces.action_labels)
    first, second = (estimator.fit(t).history for t in (traces, changed))
    assert (first.train_log_likelihood == second.train_log_likelihood).all()
    assert (first.validation_log_likelihood != second.validation_log_likelihood).all()


def test_members_hold_out_different_episodes() -> None:
    estimator, traces = quick(), traces_of_small()
    held = [
        Training(estimator.mechanism, estimator.dynamics, traces, estimator.settings(), member, "cpu")
        for member in range(4)
    ]
    assert len({training.training_episodes.episodes for training in held}) > 1


def test_without_held_out_episodes_all_epochs_run_and_the_last_is_kept() -> None:
    estimate = quick(validation_fraction=0.0, patience=1, members=1).fit(traces_of_small())
    assert estimate.info["epochs"] == estimate.info["best_epochs"] == [14]
    assert "validation_log_likelihood" not in estimate.history


def test_of_a_single_episode_the_last_rounds_are_held_out() -> None:
    training = training_of(quick(), random_traces([2, 3], [30]))
    assert training.validation_play is not None
    assert training.training_play.scored[0].all(-1).nonzero().flatten().tolist() == list(range(1, 24))
    assert training.validation_play.scored[0].all(-1).nonzero().flatten().tolist() == list(range(24, 30))


def test_a_single_episode_too_short_to_hold_anything_out_is_rejected() -> None:
    """It once gave back the start, all payoffs zero, without a word."""
    with pytest.raises(ValueError, match=r"too short to hold out .*; give validation_fraction=0 or more play"):
        quick().fit(random_traces([2, 3], [2]))
    quick(validation_fraction=0).fit(random_traces([2, 3], [2]))


def test_batches_see_every_training_episode_once_in_an_epoch() -> None:
    training = training_of(quick(validation_fraction=0.0), traces_of_small())
    first, second = ([play.traces.episodes for play in training._batches()] for _ in range(2))
    assert [len(batch) for batch in first] == [3, 3, 2]
    assert sorted(sum(first, ())) == sorted(sum(second, ())) == list(range(8))
    assert first != second


def test_episodes_without_a_decision_do_not_stop_batches() -> None:
    """A batch of one-round episodes has nothing to score and once ended the fit with an error."""
    traces = random_traces([2, 3], [6, 1, 6, 1])
    estimate = quick(batch_size=1, validation_fraction=0).fit(traces)
    assert estimate.history.train_log_likelihood.notna().all()


def interrupt_at(monkeypatch: pytest.MonkeyPatch, epoch: int, member: int) -> None:
    run_epoch = Training.run_epoch

    def interrupted(training: Training) -> None:
        if (training.epoch, training.member) == (epoch, member):
            raise KeyboardInterrupt
        run_epoch(training)

    monkeypatch.setattr(Training, "run_epoch", interrupted)


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize(("epoch", "member"), [(2, 0), (10, 0), (4, 1), (13, 1)])
def test_a_resumed_fit_equals_an_uninterrupted_one(
    epoch: int, member: int, batch_size: int | None, tmp_path: Path
) -> None:
    """Before the first checkpoint, between two, just after one, and in the last epoch of all."""
    folder = tmp_path / "not" / "yet there"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, epoch, member)
        with pytest.raises(KeyboardInterrupt):
            quick(checkpoint=folder, batch_size=batch_size).fit(traces_of_small())
    resumed = quick(checkpoint=folder, batch_size=batch_size).fit(traces_of_small())
    assert_same_fit(resumed, quick(batch_size=batch_size).fit(traces_of_small()))


def test_resuming_takes_up_where_the_checkpoint_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(checkpoint=tmp_path).fit(traces_of_small())
    interrupt_at(monkeypatch, 0, 0)  # a fit that began anew would run into it
    quick(checkpoint=tmp_path).fit(traces_of_small())


def test_a_finished_fit_can_be_given_more_epochs_and_members(tmp_path: Path) -> None:
    quick(checkpoint=tmp_path, max_epochs=6, members=1).fit(traces_of_small())
    longer = quick(checkpoint=tmp_path, max_epochs=14, members=2).fit(traces_of_small())
    assert_same_fit(longer, quick().fit(traces_of_small()))


KILLED = """
import sys, time
from diml_inverse.estimators.training import Training
from test_diml import quick, traces_of_small
run_epoch = Training.run_epoch
def slowly(training):
    time.sleep(0.02)
    run_epoch(training)
Training.run_epoch = slowly
quick(checkpoint=sys.argv[1], checkpoint_every=2, max_epochs=40, patience=1000).fit(traces_of_small())
"""


def test_a_killed_process_can_be_resumed(tmp_path: Path) -> None:
    path = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(HELPERS)!r}, {str(Path(__file__).parent)!r}]\n"
    child = subprocess.Popen([sys.executable, "-c", path + KILLED, str(tmp_path)])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "member_0.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    with safe_open(tmp_path / "member_0.safetensors", framework="pt") as file:
        assert 0 < json.loads(file.metadata()["checkpoint"])["epoch"] < 40
    settings: dict[str, Any] = {"checkpoint_every": 2, "max_epochs": 40, "patience": 1000}
    resumed = quick(checkpoint=tmp_path, **settings).fit(traces_of_small())
    assert_same_fit(resumed, quick(**settings).fit(traces_of_small()))


def test_an_interrupted_checkpoint_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(checkpoint=tmp_path, members=1, max_epochs=4).fit(traces_of_small())
    before = (tmp_path / "member_0.safetensors").read_bytes()

    def interrupted(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("diml_inverse.estimators.training.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quick(checkpoint=tmp_path, members=1).fit(traces_of_small())
    assert [path.name for path in tmp_path.iterdir()] == ["member_0.safetensors"]
    assert (tmp_path / "member_0.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"step_size": 0.03},
        {"batch_size": 2},
        {"weight_decay": 0.5},
        {"mechanism": NeuralMechanism(2, [2, 3], embedding_dim=3, hidden=(9,))},
        {"mechanism": TabularMechanism([2, 3])},
        {"dynamics": LogitDynamics(0.2)},
        {"dynamics": LogitDynamics(0.25000001)},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_fit_is_rejected(changed: dict[str, Any], tmp_path: Path) -> None:
    quick(checkpoint=tmp_path, max_epochs=4).fit(traces_of_small())
    mechanism, dynamics = changed.pop("mechanism", small()), changed.pop("dynamics", LogitDynamics())
    settings = {"max_epochs": 14, "members": 2, "batch_size": 3, "step_size": 0.02, "checkpoint": tmp_path, **changed}
    with pytest.raises(ValueError, match="is the checkpoint of another fit"):
        DIML(mechanism, dynamics, **settings).fit(traces_of_small())


def test_a_checkpoint_of_other_traces_is_rejected(tmp_path: Path) -> None:
    quick(checkpoint=tmp_path, max_epochs=4).fit(traces_of_small())
    with pytest.raises(ValueError, match="other traces, mechanism, dynamics or settings"):
        quick(checkpoint=tmp_path).fit(random_traces([2, 3], [6, 9, 4, 8, 7, 5, 9, 6], seed=1))


def test_a_checkpoint_with_other_known_constants_is_rejected(tmp_path: Path) -> None:
    """The reserve is no parameter, yet it would come back from the file and replace the one given."""
    traces = random_traces([3, 3], [8] * 4)
    for reserve in (0.0, 0.4):
        mechanism = AuctionMechanism(2, 3)
        mechanism.reserve.fill_(reserve)
        estimator = DIML(mechanism, LogitDynamics(), members=1, max_epochs=2, checkpoint=tmp_path)
        if reserve:
            with pytest.raises(ValueError, match="the checkpoint of another fit"):
                estimator.fit(traces)
        else:
            estimator.fit(traces)


@pytest.mark.parametrize("kind", ["garbage", "empty", "cut", "an estimate", "other tensors", "a list"])
def test_a_file_that_is_no_checkpoint_is_rejected(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "member_0.safetensors"
    estimate = quick(checkpoint=tmp_path, max_epochs=4).fit(traces_of_small())
    if kind == "an estimate":
        estimate.save(path)
    elif kind == "other tensors":
        save_file({"x": torch.zeros(2)}, path, metadata={"checkpoint": "{}"})
    elif kind == "a list":
        save_file({"x": torch.zeros(2)}, path, metadata={"checkpoint": "[]"})
    else:
        path.write_bytes({"garbage": b"hello" * 100, "empty": b"", "cut": path.read_bytes()[:-9]}[kind])
    with pytest.raises(ValueError, match="is not a checkpoint of a fit; remove it or name another"):
        quick(checkpoint=tmp_path).fit(traces_of_small())


class Undefined(Mechanism):
    """NaN as soon as agent 1 plays 2."""

    def __init__(self) -> None:
        super().__init__([2, 3])
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        return (self.scale * actions).masked_fill(actions[..., 1:] == 2, torch.nan)


class DefinedForOthers(Undefined):
    """NaN for agent 0 as soon as agent 1 plays 2: first met when that is played."""

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        undefined = (actions[..., 1:] == 2) & torch.tensor([True, False])
        return (self.scale * actions).masked_fill(undefined, torch.nan)


def test_a_payoff_that_is_no_number_is_named() -> None:
    actions = np.zeros((2, 6, 2), int)
    actions[1, 3, 1] = 2
    traces = Traces(actions, agents=["ann", "bob"], action_labels=[range(2), range(3)], episodes=["mon", "tue"])
    settings: dict[str, Any] = {"members": 1, "max_epochs": 2, "validation_fraction": 0}
    for mechanism, place in (
        (Undefined(), "round 0 of agent 'bob', episode 'mon'"),
        (DefinedForOthers(), "round 3 of agent 'ann', episode 'tue'"),
    ):
        with pytest.raises(FloatingPointError, match=f"epoch 1: NaN or infinity in counterfactual payoffs at {place}"):
            DIML(mechanism, LogitDynamics(), **settings).fit(traces)


def test_recovers_a_small_game_as_well_as_maximum_likelihood() -> None:
    """Trained to the end on everything, a table reaches the maximum, which L-BFGS finds by another way."""
    truth = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 2, 2)))
    traces = played(truth, 100, 20)
    settings: dict[str, Any] = {"members": 1, "validation_fraction": 0, "weight_decay": 0, "step_size": 0.02}
    fitted = DIML(TabularMechanism([2, 2]).double(), LogitDynamics(), max_epochs=600, **settings).fit(traces)
    best = TabularMLE(LogitDynamics(), ridge=0).fit(traces)
    profiles = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    torch.testing.assert_close(
        fitted.payoff_differences(profiles), best.payoff_differences(profiles), rtol=0, atol=1e-3
    )


def test_early_stopping_recovers_a_small_game() -> None:
    """Null: the error of the maximum, sampling error of variance 1 / information, and none larger.

    In 400 episodes maximum likelihood errs by r of knowing nothing; held-out episodes, shrinking and the noise of both
    may double the standard error, so 4 r is allowed, and knowing nothing is far from that.
    """
    truth = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 2, 2)))
    train, test = played(truth, 450, 20).split(400 / 450)
    r = metrics.payoff_difference_mse(TabularMLE(LogitDynamics()).fit(train).mechanism, truth, test, relative=True)
    settings: dict[str, Any] = {"members": 2, "weight_decay": 0.0, "step_size": 0.02, "max_epochs": 400}
    fitted = DIML(NeuralMechanism(2, 2, hidden=(16,)), LogitDynamics(), **settings).fit(train)
    error = metrics.payoff_difference_mse(fitted.mechanism, truth, test, relative=True)
    assert error < 4 * r < 0.1
    nothing = float(log_likelihood(TabularMechanism([2, 2]), LogitDynamics(), test).detach())
    assert nothing < fitted.log_likelihood(test) < 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_epochs": 0}, "max_epochs must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"members": 0}, "members must be at least 1; got 0"),
        ({"patience": 0}, "patience must be at least 1; got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1; got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0; got -0.1"),
        ({"weight_decay": math.nan}, "weight_decay must be at least 0; got nan"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"step_size": 0.0}, "step_size 0.0 must be above 0"),
        ({"step_size": math.nan}, "step_size nan must be above 0"),
        ({"validation_fraction": 1.0}, r"validation_fraction 1.0 in \[0, 1\)"),
        ({"validation_fraction": -0.1}, r"validation_fraction -0.1 in \[0, 1\)"),
    ],
    ids=str,
)
def test_settings_outside_their_range_are_rejected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DIML(small(), LogitDynamics(), **settings)


def test_a_mechanism_without_parameters_is_rejected() -> None:
    with pytest.raises(ValueError, match="CallableMechanism has no parameters to fit"):
        DIML(CallableMechanism(lambda profile: [0.0], [2]), LogitDynamics())


def test_traces_of_another_game_are_rejected() -> None:
    with pytest.raises(ValueError, match="the mechanism has 2 agents, the traces 3"):
        quick().fit(random_traces([2, 2, 2], [5, 5]))


def test_the_device_is_passed_on() -> None:
    assert quick(device="cpu", members=1, max_epochs=1).fit(traces_of_small()).mechanism.device.type == "cpu"
    with pytest.raises(RuntimeError, match="nowhere"):
        quick(device="nowhere").fit(traces_of_small())


def test_progress_goes_to_standard_error_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(max_epochs=2).fit(traces_of_small())
    assert capsys.readouterr() == ("", "")
    quick(max_epochs=2, progress=True).fit(traces_of_small())
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    quick(max_epochs=2, progress=True).fit(traces_of_small())
    written = capsys.readouterr()
    assert written.out == ""
    assert "0/4" in written.err  # of 2 members, 2 epochs each
