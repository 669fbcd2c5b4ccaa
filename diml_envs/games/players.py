"""One place at the table: something that can act, driven round by round. Used by the seat and by stepped rollouts.

Anything with a learner's methods (`start`, `decide`, `update`; see `agents.Learner`) learns as it plays. Anything else
need only act: a callable `policy(observation) -> action`, or an object with `act(observation) -> action`. Such an
object may also have

- `learn(observation, action, payoff, next_observation)`, called after every round, and with it
- `reset()`, called where a learner would start afresh;
- `choice_probs(observation) -> [A_i]`, the probabilities it acts with.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Feedback(NamedTuple):
    """What a learner is told after a round. B is any batch; rollouts use (episodes, agents).

    Attributes:
        actions: the own actions, int64 [*B].
        payoffs: the own payoffs, float64 [*B].
        counterfactual_payoffs: float64 [*B, A], what each own action would have earned against what the others did;
            None for learners with `feedback = "own"`.
        observation: float32 [*B, D], seen before acting; None for learners with `uses_observation = False`.
        next_observation: the same, seen after the round.
        others: the others' actions in the order of the env's agents, int64 [*B, N - 1]; None for learners without
            `sees_others`.
        last: bool [*B], whether the round was the last of its match; None where play is not in matches.
    """

    actions: NDArray[np.int64]
    payoffs: NDArray[np.float64]
    counterfactual_payoffs: NDArray[np.float64] | None
    observation: NDArray[np.float32] | None
    next_observation: NDArray[np.float32] | None
    others: NDArray[np.int64] | None = None
    last: NDArray[np.bool_] | None = None


class Player(Protocol):
    """What a round needs of whoever sits at one place. Actions count from 0."""

    num_uniforms: int

    def start(self) -> None:
        """Forget all play."""

    def decide(self, observation: Any, uniforms: NDArray[np.float64]) -> tuple[int, NDArray[np.float64] | float]:
        """The action, and the probabilities [A] it was drawn with (NaN if not told)."""

    def hear(
        self,
        observation: Any,
        action: int,
        payoff: float,
        next_observation: Any,
        info: Mapping[str, Any],
        others: Sequence[int] = (),
    ) -> None:
        """Learn from the round just played. others: the others' actions."""


def is_learner(behaviour: Any) -> bool:
    """Whether it has a learner's methods."""
    return all(callable(getattr(behaviour, method, None)) for method in ("start", "decide", "update"))


def sees_others(learner: Any) -> bool:
    """Whether the learner is to be told the others' actions; learners of one's own need not say."""
    return bool(getattr(learner, "sees_others", False))


def make_player(behaviour: Any, agent: str, num_actions: int) -> Player:
    """Seat a learner, a callable policy or an object with `act`. Raises TypeError if it is none of these."""
    if is_learner(behaviour):
        return LearningPlayer(behaviour, agent, num_actions)
    if callable(getattr(behaviour, "act", None)) or callable(behaviour):
        return PolicyPlayer(behaviour, agent, num_actions)
    raise TypeError(
        f"{agent!r} cannot be played by {behaviour!r}: give a learner such as agents.LogitQ(), a callable "
        "policy(observation) -> action, or an object with act(observation)"
    )


def check_feedback(learner: Any, agent: str, given: str) -> None:
    """Raise ValueError if the learner needs to be told more than the env tells."""
    if learner.feedback == "full" and given != "full":
        raise ValueError(
            f"{type(learner).__name__} of {agent!r} needs counterfactual payoffs, but the env has feedback={given!r}; "
            'make the env with feedback="full", or use a learner from own payoffs such as agents.EpsilonGreedy()'
        )


class LearningPlayer:
    """A learner with the state it keeps, called with batches of (1, 1)."""

    def __init__(self, learner: Any, agent: str, num_actions: int) -> None:
        self.learner, self.agent, self.num_actions = learner, agent, num_actions
        self.num_uniforms: int = learner.uniforms_per_decision(num_actions)
        self.start()

    def start(self) -> None:
        """Forget all play."""
        self.state = self.learner.start((1, 1), self.num_actions)

    def decide(self, observation: Any, uniforms: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
        """The action, and the probabilities [A] it was drawn with."""
        seen = self._seen(observation)
        actions, choice_probs = self.learner.decide(self.state, seen, uniforms[None, None, : self.num_uniforms])
        return int(actions[0, 0]), choice_probs[0, 0]

    def hear(
        self,
        observation: Any,
        action: int,
        payoff: float,
        next_observation: Any,
        info: Mapping[str, Any],
        others: Sequence[int] = (),
    ) -> None:
        """Update the state with the round just played."""
        told = Feedback(
            np.array([[action]]),
            np.array([[payoff]], np.float64),
            self._counterfactual_payoffs(info),
            self._seen(observation),
            self._seen(next_observation),
            np.array([[info.get("others_actions", others)]], np.int64) if sees_others(self.learner) else None,
            np.array([[info["match_over"]]]) if "match_over" in info else None,
        )
        self.state = self.learner.update(self.state, told)

    def _seen(self, observation: Any) -> NDArray[np.float32] | None:
        if not self.learner.uses_observation:
            return None
        if isinstance(observation, Mapping):
            raise TypeError(
                f"{type(self.learner).__name__} of {self.agent!r} reads its observation as one array, but the env "
                f"gives a dictionary of {list(observation)}; wrap the env, or use a callable policy"
            )
        return np.asarray(observation, np.float32).reshape(1, 1, -1)

    def _counterfactual_payoffs(self, info: Mapping[str, Any]) -> NDArray[np.float64] | None:
        if self.learner.feedback != "full":
            return None
        if "counterfactual_payoffs" not in info:
            raise ValueError(
                f"{type(self.learner).__name__} of {self.agent!r} needs infos[{self.agent!r}]"
                "['counterfactual_payoffs'], which this env does not give; use a learner from own payoffs"
            )
        return np.asarray(info["counterfactual_payoffs"], np.float64)[None, None]


class PolicyPlayer:
    """Anything that acts on an observation."""

    num_uniforms = 0

    def __init__(self, policy: Any, agent: str, num_actions: int) -> None:
        self.policy, self.agent, self.num_actions = policy, agent, num_actions
        self._act = getattr(policy, "act", policy)

    def start(self) -> None:
        """Ask the policy to forget what it learned. Raises TypeError if it learns and cannot."""
        if hasattr(self.policy, "reset"):
            self.policy.reset()
        elif hasattr(self.policy, "learn"):
            raise TypeError(
                f"{type(self.policy).__name__} of {self.agent!r} has learn() but no reset(), so it cannot start afresh "
                'each episode; give it reset(), or use learn="across_episodes"'
            )

    def decide(self, observation: Any, uniforms: NDArray[np.float64]) -> tuple[int, NDArray[np.float64] | float]:
        """The action, and the probabilities [A] if the policy tells them, else NaN."""
        tell = getattr(self.policy, "choice_probs", None)
        choice_probs = np.nan if tell is None else np.asarray(tell(observation), np.float64)
        action = self._act(observation)
        try:
            index = operator.index(action)
        except TypeError:
            index = -1
        if not 0 <= index < self.num_actions:
            raise ValueError(
                f"the policy of {self.agent!r} chose {action!r}, which is not an integer in 0..{self.num_actions - 1}"
            )
        return index, choice_probs

    def hear(
        self,
        observation: Any,
        action: int,
        payoff: float,
        next_observation: Any,
        info: Mapping[str, Any],
        others: Sequence[int] = (),
    ) -> None:
        """Hand the round to the policy's `learn`, if it has one."""
        if hasattr(self.policy, "learn"):
            self.policy.learn(observation, action, payoff, next_observation)
