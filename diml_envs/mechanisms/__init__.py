"""Mechanisms: maps from joint actions to payoffs, hidden truth and candidate alike."""

from diml_envs.mechanisms.aggregative import AggregativeMechanism
from diml_envs.mechanisms.anonymous import AnonymousMechanism
from diml_envs.mechanisms.auction import AuctionMechanism
from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism, SumMechanism
from diml_envs.mechanisms.callable import CallableMechanism
from diml_envs.mechanisms.check import check_mechanism
from diml_envs.mechanisms.congestion import CongestionMechanism
from diml_envs.mechanisms.ensemble import EnsembleMechanism
from diml_envs.mechanisms.neural import NeuralMechanism
from diml_envs.mechanisms.own_load import OwnLoadMechanism
from diml_envs.mechanisms.own_load_table import OwnLoadTableMechanism
from diml_envs.mechanisms.pairwise import PairwiseMechanism
from diml_envs.mechanisms.public_goods import PublicGoodsMechanism
from diml_envs.mechanisms.symmetric import SymmetricMechanism
from diml_envs.mechanisms.symmetric_table import SymmetricTableMechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.mechanisms.toll import TollMechanism

__all__ = [
    "MISSING",
    "AggregativeMechanism",
    "AnonymousMechanism",
    "AuctionMechanism",
    "CallableMechanism",
    "CongestionMechanism",
    "Contexts",
    "EnsembleMechanism",
    "Mechanism",
    "NeuralMechanism",
    "OwnLoadMechanism",
    "OwnLoadTableMechanism",
    "PairwiseMechanism",
    "PublicGoodsMechanism",
    "SumMechanism",
    "SymmetricMechanism",
    "SymmetricTableMechanism",
    "TabularMechanism",
    "TollMechanism",
    "check_mechanism",
]
