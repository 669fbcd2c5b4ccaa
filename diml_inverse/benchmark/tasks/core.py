"""Small games under every condition that play comes in: the tasks of the suite `core`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

import agents
from diml_envs.mechanisms import (
    AnonymousMechanism,
    AuctionMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
    TabularMechanism,
)
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.dynamics import AttractionDynamics

SMALL: dict[str, Any] = {"num_episodes": 60, "num_rounds": 60, "simulated_episodes": 100}
RESERVE = 0.1


def equal_auction(num_agents: int, num_bids: int, seed: int | None = None) -> AuctionMechanism:
    """Bidders of equal quality and a known reserve; values, click rates and rebate drawn if a seed is given."""
    bidders = num_agents, num_bids
    auction = AuctionMechanism(*bidders) if seed is None else AuctionMechanism.random(*bidders, seed=seed)
    auction.qualities, auction.reserve = torch.ones(num_agents), torch.tensor(RESERVE)
    return auction


def _mixed() -> dict[str, agents.Learner[Any]]:
    return {"agent_0": agents.LogitQ(), "agent_1": agents.LogitQ(feedback="own"), "agent_2": agents.FictitiousPlay()}


def _own_payoff() -> AttractionDynamics:
    return AttractionDynamics(0.25, forgone_weight=0.0, forgets="updated", precision=3.0, exploration=0.06)


def _game(
    name: str, about: str, draw: Callable[..., Mechanism], num_agents: int, num_actions: int, **rest: Any
) -> Task:
    network = partial(NeuralMechanism, num_agents, num_actions)
    return Task(f"{name}-v0", about, draw, published_form=network, network=network, **SMALL, **rest)


UNSTRUCTURED = _game(
    "unstructured-small",
    "3 agents, 4 actions: payoffs are a random network of the joint action.",
    partial(NeuralMechanism.random, 3, 4),
    3,
    4,
    precision=6.0,
)
CONGESTION = _game(
    "congestion-small",
    "3 agents, 4 resources whose cost grows with their load, with tolls.",
    partial(CongestionMechanism.random, 3, 4),
    3,
    4,
    formula=partial(CongestionMechanism, 3, 4),
)
PUBLIC_GOODS = _game(
    "public-goods-small",
    "3 agents, 5 levels of contribution to a public good, with an opaque subsidy.",
    partial(PublicGoodsMechanism.random, 3, 5),
    3,
    5,
    formula=partial(PublicGoodsMechanism, 3, 5),
    formula_ridge=0.1,
)
AUCTION = _game(
    "auction-small",
    "3 bidders, 6 bids: a generalised second-price auction of two positions, with a rebate.",
    partial(equal_auction, 3, 6),
    3,
    6,
    formula=partial(equal_auction, 3, 6),
    precision=6.0,
)
MATRIX = _game(
    "matrix-5x5",
    "2 players, 5 actions each: a payoff table of independent normal draws.",
    partial(TabularMechanism.random, 2, 5),
    2,
    5,
    precision=1.5,
)
CROWD = Task(
    "crowd-30-v0",
    "30 agents, 6 actions: payoffs are a random network of own action and the shares of the others' actions.",
    draw=partial(AnonymousMechanism.random, 30, 6, 12),
    published_form=partial(AnonymousMechanism, 30, 6, 12),
    network=partial(AnonymousMechanism, 30, 6, own_action="output"),
    learning_rate=0.2,
    precision=6.0,
    exploration=0.02,
    num_episodes=20,
    num_rounds=30,
    simulated_episodes=20,
    compared_profiles=200,
)


def _condition(name: str, about: str, **changes: Any) -> Task:
    return replace(CONGESTION, name=f"congestion-{name}-v0", about=f"congestion-small-v0, but {about}", **changes)


CONDITIONS = (
    _condition(
        "own-feedback",
        "learners see only the payoff they got; estimators are told so.",
        learner=partial(agents.LogitQ, feedback="own"),
        known=_own_payoff,
    ),
    _condition("few-data", "6 training episodes of 20 rounds.", num_rounds=20, train_share=0.1),
    replace(
        _condition("hidden-agent", "a fourth agent plays whom the observer does not see.", hidden_agents=(3,)),
        draw=partial(CongestionMechanism.random, 4, 4),
        formula=None,
    ),
    _condition("gaps", "one action in a hundred is not observed.", gaps=0.01),
    _condition("changed", "tolls and costs are others in the first half of the training episodes.", changes=True),
    _condition("hedge", "Hedge learners, of which estimators are told nothing.", learner=agents.Hedge),
    _condition(
        "mixed-learners",
        "a logit-Q learner, one from own payoffs and fictitious play; estimators are told nothing.",
        learner=_mixed,
    ),
)

CORE: dict[str, Task] = {
    task.name: task for task in (UNSTRUCTURED, CONGESTION, PUBLIC_GOODS, AUCTION, MATRIX, CROWD, *CONDITIONS)
}
