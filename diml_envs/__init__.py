"""The world: mechanisms, traces of play, and repeated games.

Importing it registers the games, each under two ids: `diml/congestion_v0` with PettingZoo and, seen from one seat,
`diml/Congestion-v0` with Gymnasium. Before that import both libraries say `Namespace diml not found`.
"""

from typing import TYPE_CHECKING

from diml_envs.games.registration import register_games
from diml_envs.lazy import on_first_use

if TYPE_CHECKING:  # for editors and type checkers; at run time each is imported when it is first asked for
    from diml_envs import mechanisms
    from diml_envs.games import (
        anonymous_v0,
        auction_v0,
        congestion_v0,
        matrix_v0,
        neural_v0,
        population_v0,
        public_goods_v0,
    )
    from diml_envs.games.env import RepeatedGameEnv
    from diml_envs.games.players import Feedback
    from diml_envs.games.population import PopulationEnv
    from diml_envs.games.seat import SeatEnv
    from diml_envs.mechanisms import Mechanism, check_mechanism
    from diml_envs.traces import Traces

__getattr__, __dir__ = on_first_use(
    __name__,
    {
        "games.env": ("RepeatedGameEnv",),
        "games.players": ("Feedback",),
        "games.population": ("PopulationEnv",),
        "games.seat": ("SeatEnv",),
        "mechanisms": ("Mechanism", "check_mechanism"),
        "traces": ("Traces",),
    },
)
register_games()

__all__ = [
    "Feedback",
    "Mechanism",
    "PopulationEnv",
    "RepeatedGameEnv",
    "SeatEnv",
    "Traces",
    "anonymous_v0",
    "auction_v0",
    "check_mechanism",
    "congestion_v0",
    "matrix_v0",
    "mechanisms",
    "neural_v0",
    "population_v0",
    "public_goods_v0",
]
