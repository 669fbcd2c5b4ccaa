"""Many persons, matched into groups anew, play a classic game or any payoff table."""

from __future__ import annotations

from typing import Any, Unpack

from numpy.typing import ArrayLike

from diml_envs.games import matrix_v0
from diml_envs.games.making import EnvOptions, aec_constructor
from diml_envs.games.population import PopulationEnv
from diml_envs.games.seat import seat_constructor


def parallel_env(
    game: str | None = "prisoners_dilemma",
    payoffs: ArrayLike | None = None,
    num_persons: int = 12,
    matching: str | ArrayLike = "strangers",
    match_rounds: int | None = None,
    continuation: float | None = None,
    num_matches: int | None = None,
    one_population: bool = False,
    **options: Unpack[EnvOptions],
) -> PopulationEnv:
    """Persons who meet in a game by name, or by its payoffs; see `PopulationEnv`.

    Args:
        game, payoffs: as of `matrix_v0`.
        num_persons: P, a multiple of the game's seats.
        matching, match_rounds, continuation, num_matches, one_population: who meets whom, for how long.
        **options: of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation, payoff_noise, render_mode.

    Raises:
        ValueError: an unknown game, payoffs of the wrong shape, persons that do not fill groups.
    """
    played = matrix_v0.parallel_env(game, payoffs)
    kwargs: dict[str, Any] = {
        "game": played.description["kwargs"]["game"],
        "num_persons": num_persons,
        "matching": matching if isinstance(matching, str) else None,
        "match_rounds": match_rounds,
        "continuation": continuation,
        "num_matches": num_matches,
        "one_population": one_population,
    }
    env = PopulationEnv(
        played.mechanism,
        num_persons,
        matching,
        match_rounds,
        continuation,
        num_matches,
        one_population,
        description={"env": "diml/population_v0", "kwargs": kwargs},
        **options,
    )
    env.metadata = {**env.metadata, "name": "population_v0"}
    return env


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
