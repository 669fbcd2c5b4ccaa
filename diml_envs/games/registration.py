"""The games under their ids, for `pettingzoo.make` and `gymnasium.make`; their modules are loaded when first used."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium
import pettingzoo


class Game(NamedTuple):
    """What a registered game is by default, known before its module is loaded."""

    num_agents: int
    num_actions: int
    max_cycles: int
    about: str


GAMES = {
    "neural": Game(3, 6, 60, "Payoffs without structure: a random network over all agents' actions."),
    "congestion": Game(4, 5, 60, "Congestion with tolls: the more choose a resource, the less it pays."),
    "public_goods": Game(3, 7, 60, "Public goods with a subsidy: what one gives, all enjoy."),
    "anonymous": Game(40, 10, 30, "A crowd: only the own action and the shares of the others' actions matter."),
    "auction": Game(3, 6, 60, "A position auction: qualities, a reserve price and a rebate that bidders are not told."),
    "matrix": Game(2, 2, 60, "Classic games in normal form, or any payoff table."),
    "population": Game(12, 2, 60, "Many persons, matched into groups anew, play a classic game or any payoff table."),
}  # fmt: skip


def register_games() -> None:
    """Register `diml/<game>_v0` with PettingZoo (parallel and aec) and `diml/<Game>-v0` with Gymnasium.

    Their modules are found as `diml_envs.<game>_v0`.
    """
    sys.meta_path.append(Aliases())
    for game in GAMES:
        module = f"diml_envs.games.{game}_v0"
        pettingzoo.register("parallel", f"diml/{game}_v0", entry_point=f"{module}:parallel_env")
        pettingzoo.register("aec", f"diml/{game}_v0", entry_point=f"{module}:env")
        name = game.title().replace("_", "")
        gymnasium.register(f"diml/{name}-v0", entry_point=f"{module}:seat_env")


class Aliases(MetaPathFinder, Loader):
    """Imports the games' modules under `diml_envs.<game>_v0` too, as PettingZoo's users expect of a game."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        package, _, module = name.rpartition(".")
        known = package == "diml_envs" and module.endswith("_v0") and module[: -len("_v0")] in GAMES
        return ModuleSpec(name, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.name.replace("diml_envs.", "diml_envs.games."))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:  # the import has put the alias's in its place
            module.__spec__ = module.__spec__.loader_state
