"""What all tests share: reproducible property tests, and an example of every mechanism."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
import torch

from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    AuctionMechanism,
    CallableMechanism,
    CongestionMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    PublicGoodsMechanism,
    SumMechanism,
    SymmetricTableMechanism,
    TabularMechanism,
    TollMechanism,
)

hypothesis.settings.register_profile("diml", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("diml")


def _tabular() -> Mechanism:
    return TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 4, 3, 3))).float()


def _anonymous_with_outputs() -> Mechanism:
    return AnonymousMechanism(4, 3, hidden=(16,), own_action="output", seed=1)


def _drawn(mechanism: Mechanism) -> Mechanism:
    """Tables that start at zero, filled."""
    generator = torch.Generator().manual_seed(0)
    for parameter in mechanism.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return mechanism


def _plain_function(profile: tuple[int, ...]) -> list[float]:
    first, second = profile
    return [first - 0.5 * second, first * second / 3]


EXAMPLES: dict[str, Callable[[], Mechanism]] = {
    "tabular": _tabular,
    "neural": lambda: NeuralMechanism.random(3, 4),
    "neural of unequal counts": lambda: NeuralMechanism(3, [2, 5, 3], embedding_dim=3, hidden=(16,), seed=1),
    "congestion": lambda: CongestionMechanism.random(4, 3),
    "public goods": lambda: PublicGoodsMechanism.random(3, 4),
    "anonymous with inputs": lambda: AnonymousMechanism.random(5, 3),
    "anonymous with outputs": _anonymous_with_outputs,
    "own load": lambda: OwnLoadMechanism(4, 3, embedding_dim=3, hidden=(16,), seed=1),
    "symmetric table": lambda: SymmetricTableMechanism.random(3, 3),
    "own load table": lambda: _drawn(OwnLoadTableMechanism(4, 3)),
    "aggregative": lambda: AggregativeMechanism(4, [0.5, 3.0, 1.0], hidden=(16,), seed=1),
    "pairwise": lambda: _drawn(PairwiseMechanism(4, 3)),
    "auction": lambda: AuctionMechanism.random(4, 5),
    "callable": lambda: CallableMechanism(_plain_function, [3, 2]),
    "toll": lambda: TollMechanism(3, [[0.5, -1.0], [0.25], [1.0, 2.0, 3.0]]),
    "sum": lambda: NeuralMechanism(2, [2, 3], seed=1) + TollMechanism(2, [[0.5, -1.0], [0.25, 2.0, 3.0]]).float(),
    "sum of symmetric": lambda: SumMechanism(
        [CongestionMechanism.random(4, 3), AggregativeMechanism(4, [0.5, 3.0, 1.0], hidden=(16,), seed=1)]
    ),
    "ensemble": lambda: EnsembleMechanism([NeuralMechanism(2, [2, 3], seed=seed) for seed in (1, 2, 3)]),
    "ensemble of symmetric": lambda: EnsembleMechanism([CongestionMechanism.random(3, 3, seed) for seed in (1, 2)]),
}


@pytest.fixture(params=EXAMPLES)
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Each built-in mechanism in turn, its payoffs far from zero, single precision where it has parameters."""
    return EXAMPLES[request.param]()


@pytest.fixture(params=[name for name in EXAMPLES if name not in ("callable", "toll")])
def parametric_mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Those of them that have parameters."""
    return EXAMPLES[request.param]()


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded afresh for each test."""
    return torch.Generator().manual_seed(0)
