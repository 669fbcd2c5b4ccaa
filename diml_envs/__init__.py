"""The world: mechanisms, traces of play, and repeated games. Importing it registers the games."""

from diml_envs import (
    anonymous_v0,
    auction_v0,
    congestion_v0,
    matrix_v0,
    mechanisms,
    neural_v0,
    public_goods_v0,
)
from diml_envs.env import RepeatedGameEnv
from diml_envs.mechanisms import Mechanism, check_mechanism
from diml_envs.players import Feedback
from diml_envs.registration import register_games
from diml_envs.seat import SeatEnv
from diml_envs.traces import Traces

register_games()

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
