"""The world: mechanisms, traces of play, and repeated games. Importing it registers the games."""

import sys

from diml_envs import mechanisms
from diml_envs.games import anonymous_v0, auction_v0, congestion_v0, matrix_v0, neural_v0, public_goods_v0
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.players import Feedback
from diml_envs.games.registration import register_games
from diml_envs.games.seat import SeatEnv
from diml_envs.mechanisms import Mechanism, check_mechanism
from diml_envs.traces import Traces

register_games()
for _game in (anonymous_v0, auction_v0, congestion_v0, matrix_v0, neural_v0, public_goods_v0):
    # `import diml_envs.congestion_v0` works wherever the module lies, as PettingZoo's users expect of a game.
    sys.modules[f"diml_envs.{_game.__name__.rpartition('.')[2]}"] = _game

__all__ = [
    "Feedback",
    "Mechanism",
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
    "public_goods_v0",
]
