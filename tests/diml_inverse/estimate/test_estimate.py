"""Estimates: the identified part, and files that hold all of it and run nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from own_dynamics import ChosenOnly
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from slow_definitions import random_traces
from torch import Tensor

import diml_inverse.recovered.recovered
from diml_envs import Traces
from diml_envs.mechanisms import (
    CongestionMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    TabularMechanism,
)
from diml_inverse import DIML, Estimate, LogitDynamics, StructuredMLE, log_likelihood


def estimate_of(mechanism: Mechanism, dynamics: Any = None) -> Estimate:
    history = pd.DataFrame({"epoch": [1, 2], "train_log_likelihood": [-1.1, float("nan")], "seconds": [0.1, 1 / 3]})
    agents = tuple(f"player {i}" for i in range(mechanism.num_agents))
    labels = tuple(tuple(["stay", 2, 0.5, "é", "x"][:count]) for count in mechanism.action_counts)
    info = {"estimator": "none", "seed": 3, "epochs": [2]}
    return Estimate(mechanism, dynamics or LogitDynamics(0.1, 1 / 3, 0.07), history, agents, labels, info)


def profiles_of(mechanism: Mechanism) -> Tensor:
    return torch.cartesian_prod(*[torch.arange(count) for count in mechanism.action_counts])


def assert_same(found: Estimate, expected: Estimate) -> None:
    profiles = profiles_of(expected.mechanism)
    assert type(found.mechanism) is type(expected.mechanism)
    assert torch.equal(found.mechanism(profiles), expected.mechanism(profiles))
    assert found.mechanism(profiles).dtype == expected.mechanism(profiles).dtype
    assert type(found.dynamics) is type(expected.dynamics)
    pd.testing.assert_frame_equal(found.history, expected.history)
    assert (found.agents, found.action_labels, found.info) == (
        expected.agents,
        expected.action_labels,
        expected.info,
    )


def test_payoff_differences_are_payoffs_less_their_mean(mechanism: Mechanism) -> None:
    profiles = profiles_of(mechanism)[::7]
    found = estimate_of(mechanism.double()).payoff_differences(profiles)
    for row, profile in enumerate(profiles.tolist()):
        for agent, count in enumerate(mechanism.action_counts):
            payoffs = [
                float(mechanism(torch.tensor([*profile[:agent], action, *profile[agent + 1 :]]))[agent].detach())
                for action in range(count)
            ]
            assert found[row, agent, :count].tolist() == pytest.approx(np.array(payoffs) - np.mean(payoffs), abs=1e-12)
            assert found[row, agent, count:].isnan().all()


def test_payoff_differences_take_lists_arrays_and_tensors_of_any_batch_shape() -> None:
    estimate = estimate_of(NeuralMechanism(2, [2, 3]))
    actions = [[[0, 1], [1, 2]]]
    found = [estimate.payoff_differences(a) for a in (actions, np.array(actions), torch.tensor(actions))]
    assert found[0].shape == (1, 2, 2, 3)
    assert not found[0].requires_grad
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, rtol=0, atol=0, equal_nan=True)


def test_payoff_differences_of_read_only_play(recwarn: pytest.WarningsRecorder) -> None:
    """The actions of traces are read-only arrays, about which torch warns unless they are copied."""
    traces = random_traces([2, 3], [4])
    assert estimate_of(NeuralMechanism(2, [2, 3])).payoff_differences(traces.actions).shape == (1, 4, 2, 3)


def test_payoff_differences_outside_the_game_are_rejected() -> None:
    with pytest.raises(ValueError, match="action 3 of agent 1 at"):
        estimate_of(NeuralMechanism(2, [2, 3])).payoff_differences([[0, 3]])


def test_log_likelihood_and_choice_probs_are_those_of_mechanism_and_dynamics() -> None:
    estimate, traces = estimate_of(NeuralMechanism.random(2, [2, 3])), random_traces([2, 3], [5, 3])
    expected = float(log_likelihood(estimate.mechanism, estimate.dynamics, traces).detach())
    assert estimate.log_likelihood(traces) == expected
    probs = estimate.choice_probs(traces)
    assert probs.shape == (2, 5, 2, 3)
    assert (probs[:, :, 0, 2] == 0).all()
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-6)
    taken = [
        np.log(probs[episode, round_, agent, traces.actions[episode, round_, agent]])
        for episode, length in enumerate(traces.lengths)
        for round_ in range(1, length)
        for agent in range(2)
    ]
    assert np.mean(taken) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_estimate_comes_back_whole(parametric_mechanism: Mechanism, dtype: torch.dtype, tmp_path: Path) -> None:
    estimate = estimate_of(parametric_mechanism.to(dtype))
    estimate.save(tmp_path / "fit.safetensors")
    found = Estimate.load(tmp_path / "fit.safetensors")
    assert_same(found, estimate)
    assert found.dynamics.config() == estimate.dynamics.config()


@pytest.mark.parametrize(
    "estimator",
    [
        DIML(NeuralMechanism(2, [2, 3], hidden=(4,)), LogitDynamics(), members=2, max_epochs=2),
        DIML(TabularMechanism([2, 3]), LogitDynamics(), members=1, max_epochs=2),
        StructuredMLE(TabularMechanism([2, 3]), LogitDynamics(), ridge=0.1),
    ],
    ids=["ensemble", "single", "maximum likelihood"],
)
def test_what_an_estimator_returns_comes_back_whole(estimator: Any, tmp_path: Path) -> None:
    traces = random_traces([2, 3], [8] * 4)
    estimate = estimator.fit(traces)
    estimate.save(tmp_path / "fit.safetensors")
    found = Estimate.load(tmp_path / "fit.safetensors")
    assert_same(found, estimate)
    assert found.log_likelihood(traces) == estimate.log_likelihood(traces)
    assert not any(p.requires_grad for e in (estimate, found) for p in e.mechanism.parameters())


class Mine(Mechanism):
    """A user's own: payoff = weight of the own action."""

    def __init__(self, action_counts: list[int]) -> None:
        super().__init__(action_counts)
        self.weights = torch.nn.Parameter(torch.linspace(0, 1, self.num_actions))

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        return self.weights[actions]

    def config(self) -> dict[str, Any]:
        return {"action_counts": list(self.action_counts)}


class MyDynamics(ChosenOnly):
    def config(self) -> dict[str, Any]:
        return {}


def test_a_user_s_own_classes_come_back_when_given(tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    estimate = estimate_of(Mine([2, 3]).double(), MyDynamics())
    estimate.mechanism.weights.data.mul_(7)
    estimate.save(path)
    assert_same(Estimate.load(path, mechanism=Mine([2, 3]), dynamics=MyDynamics()), estimate)
    with pytest.raises(ValueError, match=r"mechanism 'Mine' is not one of diml's; pass one: Estimate.load\(path, mech"):
        Estimate.load(path, dynamics=MyDynamics())
    with pytest.raises(ValueError, match="dynamics 'MyDynamics' is not one of diml's"):
        Estimate.load(path, mechanism=Mine([2, 3]))


def test_an_ensemble_of_a_user_s_own_class_comes_back_when_its_member_is_given(tmp_path: Path) -> None:
    members = [Mine([2, 3]), Mine([2, 3])]
    members[1].weights.data.mul_(7)
    estimate = estimate_of(EnsembleMechanism(members))
    estimate.save(tmp_path / "fit.safetensors")
    assert_same(Estimate.load(tmp_path / "fit.safetensors", mechanism=Mine([2, 3])), estimate)


class NotMine(Mine):
    """The same parameters, another meaning."""

    def forward(self, actions: Tensor) -> Tensor:
        return -super().forward(actions)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (NotMine([2, 3]), "holds a Mine, not a NotMine"),
        (Mine([2, 4]), "(?s)damaged or of another version .*size mismatch"),
    ],
    ids=["other class", "other size"],
)
def test_another_class_or_size_than_the_file_s_is_rejected(given: Mechanism, message: str, tmp_path: Path) -> None:
    estimate_of(Mine([2, 3])).save(tmp_path / "fit.safetensors")
    with pytest.raises(ValueError, match=message):
        Estimate.load(tmp_path / "fit.safetensors", mechanism=given)


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["diml"])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "fit.safetensors"
    estimate_of(CongestionMechanism.random(3, 3)).save(path)
    return path


@pytest.mark.parametrize(
    "tampered",
    [
        {"mechanism": "os.system", "mechanism_config": {"command": "touch ran"}},
        {"mechanism": "__builtins__", "mechanism_config": {}},
        {"mechanism": "__loader__", "mechanism_config": {}},
        {"mechanism": "check_mechanism", "mechanism_config": {"mechanism": None}},
        {"mechanism": "Contexts", "mechanism_config": {"index": 0, "inputs": []}},
        {"mechanism": "CallableMechanism", "mechanism_config": {"function": "print", "action_counts": [2]}},
        {"mechanism": ["CongestionMechanism"]},
        {"mechanism": "NeuralMechanism"},
        {"mechanism_config": {"num_agents": 3}},
        {"mechanism_config": {"num_agents": 3, "num_actions": 4}},
        {"mechanism_config": {"num_agents": 0, "num_actions": 3}},
        {"mechanism_config": {"num_agents": 3, "num_actions": 3, "hook": "print"}},
        {"mechanism_config": None},
        {"mechanism": "EnsembleMechanism", "mechanism_config": {"member": "os.system"}},
        {
            "mechanism": "EnsembleMechanism",
            "mechanism_config": {"member": "eval", "member_config": {"source": "1"}, "num_members": 1},
        },
        {"dynamics": "os.system"},
        {"dynamics": "check_dynamics"},
        {"dynamics": "logit_response"},
        {"dynamics_config": {"precision": -1}},
        {"dynamics_config": {"rate": 1}},
        {"history": 3},
        {"history": {"epoch": [1, 2], "seconds": [1]}},
        {"agents": None},
        {"action_labels": [1, 2]},
        {"info": 3},
        {"format": "diml-estimate-2"},
    ],
    ids=str,
)
def test_a_tampered_header_is_rejected(saved: Path, tampered: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent)
    save_file(load_file(saved), saved, metadata={"diml": json.dumps({**header_of(saved), **tampered})})
    with pytest.raises(ValueError):  # noqa: PT011 (each says another thing)
        Estimate.load(saved)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("missing", ["mechanism", "dynamics", "history", "agents", "action_labels", "info", "format"])
def test_a_header_without_an_entry_is_rejected(saved: Path, missing: str) -> None:
    header = header_of(saved)
    del header[missing]
    save_file(load_file(saved), saved, metadata={"diml": json.dumps(header)})
    with pytest.raises(ValueError, match=saved.name):
        Estimate.load(saved)


@pytest.mark.parametrize("metadata", [None, {"other": "x"}, {"diml": "not json"}, {"diml": "[1]"}], ids=str)
def test_a_safetensors_file_of_something_else_is_rejected(saved: Path, metadata: dict[str, str] | None) -> None:
    save_file(load_file(saved), saved, metadata=metadata)
    with pytest.raises(ValueError, match=saved.name):
        Estimate.load(saved)


def test_missing_or_foreign_parameters_are_rejected(saved: Path) -> None:
    tensors, header = load_file(saved), {"diml": json.dumps(header_of(saved))}
    for wrong in ({}, {**tensors, "extra": torch.zeros(1)}, {"linear_cost": tensors["linear_cost"]}):
        save_file(wrong, saved, metadata=header)
        with pytest.raises(ValueError, match="damaged or of another version"):
            Estimate.load(saved)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_rejected(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="or is cut short"):
        Estimate.load(saved)


def test_garbage_is_rejected(saved: Path) -> None:
    for garbage in (b"hello", b"\x80\x04\x95", np.random.default_rng(0).bytes(5000)):
        saved.write_bytes(garbage)
        with pytest.raises(ValueError, match="is not an estimate"):
            Estimate.load(saved)


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no estimate at"):
        Estimate.load(tmp_path / "none")


def test_an_interrupted_save_leaves_what_was_there(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def interrupted(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(diml_inverse.recovered.recovered, "save_file", interrupted)
    for path in (saved, saved.with_name("new.safetensors")):
        with pytest.raises(KeyboardInterrupt):
            estimate_of(CongestionMechanism(3, 3)).save(path)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_labels_of_the_traces_stay_with_the_estimate() -> None:
    traces = Traces(random_traces([2, 2], [5]).actions, agents=["ann", "bob"], action_labels=[["a", "b"], [1.5, 2.5]])
    estimate = StructuredMLE(TabularMechanism([2, 2]), LogitDynamics(), ridge=1.0).fit(traces)
    assert estimate.agents == ("ann", "bob")
    assert estimate.action_labels == (("a", "b"), (1.5, 2.5))
