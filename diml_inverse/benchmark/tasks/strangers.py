"""Learners that are no member of any family fitted here, in small games of free payoffs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, logit_response
from agents.parts.learner import Learner
from diml_envs.games.players import Feedback
from diml_envs.mechanisms import NeuralMechanism, TabularMechanism
from diml_inverse.benchmark.tasks.task import PAPER, Task

SWITCH = 10  # rounds between changes of mind


class Seen(NamedTuple):
    """total: counterfactual payoffs added up [*B, A]; last: those of the last round; own: last action one-hot [*B, A];
    earned: mean own payoff [*B]; paid: the last own payoff [*B]; rounds: how many [*B].
    """

    total: FloatArray
    last: FloatArray
    own: FloatArray
    earned: FloatArray
    paid: FloatArray
    rounds: FloatArray


class Stranger(Learner[Seen]):
    """Remembers what the rules below need."""

    feedback = "full"

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Seen:
        """Nothing seen."""
        payoffs, nothing = np.zeros((*batch_shape, num_actions)), np.zeros(batch_shape)
        return Seen(payoffs, payoffs, np.full(payoffs.shape, 1 / num_actions), nothing, nothing, nothing)

    def update(self, state: Seen, feedback: Feedback) -> Seen:
        """Add the round."""
        payoffs = feedback.counterfactual_payoffs
        assert payoffs is not None
        rounds = state.rounds + 1
        earned = state.earned + (feedback.payoffs - state.earned) / rounds
        own = chosen(feedback.actions, payoffs.shape[-1]).astype(float)
        return Seen(state.total + payoffs, payoffs, own, earned, feedback.payoffs, rounds)


class Mixture(Stranger):
    """Changes its rule every ten rounds: exponential weights, the best reply to the last round, the last action again,
    and what paid least so far."""

    def choice_probs(self, state: Seen, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        rules = (
            logit_response(state.total, 0.5),
            _best(state.last),
            0.9 * state.own + 0.1 / state.own.shape[-1],
            logit_response(-state.total, 0.1),
        )
        phase = (state.rounds // SWITCH).astype(int) % len(rules)
        return np.choose(phase[..., None], rules)


class NoisyFictitiousPlay(Stranger):
    """The best reply to the average of the others' play so far, forgotten in one round of five for the last action
    again and in one of ten for any action.
    """

    def choice_probs(self, state: Seen, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return 0.7 * _best(state.total) + 0.2 * state.own + 0.1 / state.own.shape[-1]


class Storyteller(Stranger):
    """As language models tend to: stays while it earns at least its own average, else goes to what would have paid best
    in the last round; a little random.
    """

    def choice_probs(self, state: Seen, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        content = (state.paid >= state.earned)[..., None]
        return 0.9 * np.where(content, state.own, _best(state.last)) + 0.1 / state.own.shape[-1]


def _best(payoffs: FloatArray) -> FloatArray:
    """Evenly among the best."""
    best = payoffs == payoffs.max(-1, keepdims=True)
    return best / best.sum(-1, keepdims=True)


RULES: dict[str, tuple[Callable[[], Any], str]] = {
    "mixture": (Mixture, "learners that change their rule every ten rounds, one of them against their interest"),
    "noisy-fictitious-play": (NoisyFictitiousPlay, "best replies to average play, with lapses and inertia"),
    "storyteller": (Storyteller, "stay while content, else follow the last round, as language models tend to"),
}


def _tasks() -> list[Task]:
    game = replace(
        PAPER["E1"],
        draw=partial(TabularMechanism.random, 2, 3),
        form=partial(TabularMechanism, [3, 3]),
        form_ridge=0.01,
        num_episodes=100,
        num_rounds=60,
    )
    network = partial(NeuralMechanism, 2, 3)
    return [
        replace(
            game,
            name=f"strangers-{name}-v0",
            about=f"Two agents, three actions, random payoffs; {about}.",
            learner=rule,
            published_form=network,
            network=network,
        )
        for name, (rule, about) in RULES.items()
    ]


STRANGERS: dict[str, Task] = {task.name: task for task in _tasks()}
