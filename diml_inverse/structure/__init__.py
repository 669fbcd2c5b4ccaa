"""Structure learned from data: what kinds of interaction a game is made of."""

from diml_inverse.structure.families import Family, default_families
from diml_inverse.structure.interactions import InteractionEvidence
from diml_inverse.structure.kinds import Game, Interaction, Kind, SameAction, SymmetricInteraction, default_kinds

__all__ = [
    "Family",
    "Game",
    "Interaction",
    "InteractionEvidence",
    "Kind",
    "SameAction",
    "SymmetricInteraction",
    "default_families",
    "default_kinds",
]
