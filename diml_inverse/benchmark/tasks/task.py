"""`Task`: hidden mechanism, learners, what is observed, sizes, split, what is told; and the paper's experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import agents
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.mechanisms import (
    AnonymousMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
)
from diml_envs.traces import Traces
from diml_inverse.benchmark.tasks.conditions import Recorded, before_the_change, with_gaps, without_agents
from diml_inverse.dynamics import Dynamics, LogitDynamics

TRAIN_SHARE = 0.8
OTHER_DRAW = 1_000_000  # added to the seed of a mechanism that is not the truth


class Play(NamedTuple):
    """What one seed of a task gives: play to fit to, play to judge by, and the truth behind it.

    dynamics: of the learners, where estimators are told and `truth` is all that the learners play for.
    true_choice_probs: [E, T, N, A], what the choices of `test` were drawn with; None of people.
    """

    train: Traces
    test: Traces
    truth: Mechanism
    dynamics: LogitDynamics | None
    true_choice_probs: NDArray[np.float64] | None


@dataclass(frozen=True)
class Task:
    """One experiment, from a single seed: logit-Q learners with known parameters unless others are named.

    Attributes:
        name: as in results files; with its version at the end (`-v0`) but for the paper's.
        about: a sentence.
        draw: `draw(seed=...)` -> the hidden mechanism.
        published_form: the network that the paper fits.
        network: the network that `neural` fits.
        form: what is known of the structure, where learners are not: fitted by `auto` and under each surrogate.
        form_ridge: of its fit; None: as held-out likelihood says, anew under each surrogate.
        formula: the correct parametric form, where the paper fits one.
        formula_ridge: of the formula's fit and its Cramér-Rao bound. A network inside a formula needs one: without,
            maximum likelihood overfits it.
        learner: `learner()` -> who plays, or `{agent: who plays}`; None: `agents.LogitQ`, as follows.
        known: `known()` -> how `learner` learns, where estimators are told it; None: they are told nothing of it.
        observation: what the learners see, as in `RepeatedGameEnv`.
        learning_rate, precision, exploration: of logit-Q learners.
        num_episodes, num_rounds: of the play.
        train_share: of the episodes, the first ones; the rest judge.
        hidden_agents: who play but are not in the traces; the truth is then what their play leaves on average.
        gaps: share of the actions that are not observed, at random.
        changes: the first half of the training episodes were played for another draw of the mechanism.
        simulated_episodes: of each simulation with changed learners.
        compared_profiles: at most, at which payoffs are compared.
    """

    name: str
    about: str
    draw: Callable[..., Mechanism]
    published_form: Callable[[], Mechanism]
    network: Callable[[], Mechanism]
    form: Callable[[], Mechanism] | None = None
    form_ridge: float | None = 0.0
    formula: Callable[[], Mechanism] | None = None
    formula_ridge: float = 0.0
    learner: Callable[[], Any] | None = None
    known: Callable[[], Dynamics] | None = None
    observation: str = "last_profile"
    learning_rate: float = 0.25
    precision: float = 3.0
    exploration: float = 0.06
    num_episodes: int = 60
    num_rounds: int = 60
    train_share: float = TRAIN_SHARE
    hidden_agents: tuple[int, ...] = ()
    gaps: float = 0.0
    changes: bool = False
    simulated_episodes: int = 200
    compared_profiles: int = 8192

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Of each agent."""
        return self.network().action_counts

    @property
    def learners(self) -> dict[str, Any]:
        """Parameters, the same for `agents.LogitQ` and `LogitDynamics`."""
        return {"learning_rate": self.learning_rate, "precision": self.precision, "exploration": self.exploration}

    @property
    def told(self) -> Dynamics | None:
        """How the agents learn, as estimators are told; None if they are not."""
        if self.learner is None:
            return LogitDynamics(**self.learners)
        return None if self.known is None else self.known()

    @property
    def assumed(self) -> Dynamics:
        """`told`, or else what an estimator takes for granted that cannot do without: the paper's learners."""
        return self.told or LogitDynamics(**self.learners)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it is judged by, first that of its payoffs: where learners are not known, payoffs have no scale."""
        error = "payoff_difference_mse_" + ("rescaled" if self.told is None else "relative")
        return error, "choice_kl", "log_likelihood"

    @property
    def missing(self) -> str | None:
        """What it needs that is not there; None if it can be played."""
        return None

    def settings(self) -> dict[str, Any]:
        """JSON values: what results of this task depend on besides the seed."""
        sizes = {"num_agents": len(self.action_counts), "num_actions": max(self.action_counts)}
        names = ("num_episodes", "num_rounds", "simulated_episodes", "compared_profiles", "train_share")
        learners = self.learners if self.learner is None else {}
        conditions = {name: getattr(self, name) for name in ("hidden_agents", "gaps", "changes")}
        special = {name: list(v) if isinstance(v, tuple) else v for name, v in conditions.items() if v}
        return {**sizes, **learners, **{name: getattr(self, name) for name in names}, **special}

    def play(self, seed: int) -> Play:
        """Draw the mechanism and let the learners play."""
        truth = self.draw(seed=seed)
        recorded = self._recorded(truth, seed)
        cut = len(recorded.traces.split(self.train_share)[0])
        if self.changes:
            former = self._recorded(self.draw(seed=seed + OTHER_DRAW), seed + OTHER_DRAW)
            recorded = before_the_change(former, recorded, cut // 2)
        if self.gaps:
            recorded = with_gaps(recorded, self.gaps, seed)
        if self.hidden_agents:
            truth, recorded = without_agents(truth, recorded, self.hidden_agents)
        train, test = recorded.traces[:cut], recorded.traces[cut:]
        told = self.told if not self.hidden_agents and isinstance(self.told, LogitDynamics) else None
        return Play(train, test, truth, told, recorded.choice_probs[cut:])

    def _recorded(self, truth: Mechanism, seed: int) -> Recorded:
        env = RepeatedGameEnv(truth, max_cycles=self.num_rounds, observation=self.observation)
        learner = agents.LogitQ(**self.learners) if self.learner is None else self.learner()
        rollout = agents.rollout(env, learner, num_episodes=self.num_episodes, seed=seed)
        # A rollout's own metadata would name the mechanism, and the learners also where estimators are not told.
        told: dict[str, Any] = {"task": self.name, "seed": seed}
        if self.learner is None:
            told["learners"] = {"all": {"name": "LogitQ", **self.learners}}
        seen = rollout.traces
        traces = Traces(seen.actions, seen.lengths, seen.agents, seen.action_labels, seen.episodes, told)
        return Recorded(traces, rollout.choice_probs)


def _anonymous(num_agents: int, num_actions: int, width: int, num_episodes: int, num_rounds: int) -> Task:
    """E7. Fewer simulated episodes and compared profiles: each is a round of hundreds of agents' deviations.

    width: of the own action's embedding. The paper says 12 to 32; here 12, 16, 20, 24, 32 as the game grows.
    """
    return Task(
        f"E7-n{num_agents}",
        f"Anonymous crowd: a random network of own action (embedded in {width}) and shares of the others' actions.",
        draw=partial(AnonymousMechanism.random, num_agents, num_actions, width),
        published_form=partial(AnonymousMechanism, num_agents, num_actions, width),
        network=partial(AnonymousMechanism, num_agents, num_actions, own_action="output"),
        learning_rate=0.2,
        precision=6.0,
        exploration=0.02,
        num_episodes=num_episodes,
        num_rounds=num_rounds,
        simulated_episodes=20,
        compared_profiles=200,
    )


_TASKS = (
    Task(
        "E1",
        "Unstructured: a random network of the joint action.",
        draw=partial(NeuralMechanism.random, 3, 6),
        published_form=partial(NeuralMechanism, 3, 6),
        network=partial(NeuralMechanism, 3, 6),
    ),
    Task(
        "E2",
        "Congestion with tolls: each action a resource whose cost grows with its load.",
        draw=partial(CongestionMechanism.random, 4, 5),
        published_form=partial(NeuralMechanism, 4, 5),
        network=partial(NeuralMechanism, 4, 5),
        formula=partial(CongestionMechanism, 4, 5),
    ),
    Task(
        "E3",
        "Public goods with an opaque subsidy: saturating common benefit, private quadratic cost.",
        draw=partial(PublicGoodsMechanism.random, 3, 7),
        published_form=partial(NeuralMechanism, 3, 7),
        network=partial(NeuralMechanism, 3, 7),
        formula=partial(PublicGoodsMechanism, 3, 7),
        formula_ridge=0.1,
    ),
    _anonymous(40, 10, 12, 24, 30),
    _anonymous(80, 20, 16, 24, 30),
    _anonymous(120, 25, 20, 24, 30),
    _anonymous(200, 30, 24, 20, 30),
    _anonymous(300, 40, 32, 16, 25),
)

PAPER: dict[str, Task] = {task.name: task for task in _TASKS}
