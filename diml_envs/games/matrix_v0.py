"""Classic games in normal form, or any payoff table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.tabular import TabularMechanism


def _symmetric(row_payoffs: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    row = np.array(row_payoffs, float)
    return np.stack([row, row.T], -1)


def _zero_sum(row_payoffs: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    row = np.array(row_payoffs, float)
    return np.stack([row, -row], -1)


GAMES: dict[str, NDArray[np.float64]] = {
    "prisoners_dilemma": _symmetric([[3, 0], [5, 1]]),  # cooperate, defect
    "stag_hunt": _symmetric([[4, 1], [3, 3]]),  # stag, hare
    "chicken": _symmetric([[3, 1], [4, 0]]),  # swerve, straight
    "coordination": _symmetric([[2, 0], [0, 1]]),
    "battle_of_the_sexes": np.array([[[3, 2], [0, 0]], [[0, 0], [2, 3]]], float),
    "matching_pennies": _zero_sum([[1, -1], [-1, 1]]),
    "rock_paper_scissors": _zero_sum([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]),
}


def parallel_env(
    game: str | None = "prisoners_dilemma", payoffs: ArrayLike | None = None, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """A game by name, or by its payoffs.

    Args:
        game: one of `GAMES`; not looked at if payoffs are given.
        payoffs: [A_1, ..., A_N, N], any number of agents, each with any number of actions. They stay out of the
            env's description, and so out of recorded play: what was hidden from the players stays hidden.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation, payoff_noise,
            render_mode.

    Raises:
        ValueError: an unknown game, or payoffs of the wrong shape.
    """
    kwargs: dict[str, Any] = {"game": game if payoffs is None else None}
    table = _payoffs_of(game) if payoffs is None else payoffs
    return make_game("matrix", TabularMechanism.from_payoffs(table), kwargs, options)


def _payoffs_of(game: str | None) -> NDArray[np.float64]:
    if game not in GAMES:
        raise ValueError(f"unknown game {game!r}; give payoffs [A_1, ..., A_N, N], or one of {', '.join(GAMES)}")
    return GAMES[game]


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
