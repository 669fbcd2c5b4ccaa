"""States: what learners know of the last rounds when they choose, a function with few values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING

StateFunction = Callable[[Tensor], Tensor]
NAMES = ("last_profile", "own_last", "others_last", "others_counts")
PATTERN = re.compile(rf"({'|'.join(NAMES)})(?:_(\d+))?")
MOST_STATES = 2**16
NOTHING = 0  # in the place of a round before the match began
UNKNOWN = -1


@dataclass(frozen=True)
class States:
    """States of N agents who have A actions at most, coded 0..count-1; 0 is the state in which a match begins.

    Each round leaves a digit, 1..values, of what was seen in it; a state is the digits of the last rounds.

    Args:
        kind: "last_profile" (the own action and each of the others'), "own_last", "others_last", "others_counts" (how
            many of the others chose each action), any of them with how many rounds are known, `own_last_2` say; or a
            function of the last profile, int64 [*B, N] -> int64 [*B, N], what each agent sees of it, counted from 0.
            None: a single state.
        num_agents: N.
        num_actions: A.

    Raises:
        ValueError: no such state, or more than 2**16 of them.
    """

    kind: str | StateFunction | None
    num_agents: int
    num_actions: int

    def __post_init__(self) -> None:
        if self.count > MOST_STATES:
            raise ValueError(
                f"state {self.kind!r} has {self.count:,} values with {self.num_agents} agents of {self.num_actions} "
                f'actions, more than {MOST_STATES:,}: take "own_last", "others_counts", or a function with few values'
            )

    @cached_property
    def rounds(self) -> int:
        """How many rounds back a state reaches."""
        return int(_parsed(self.kind)[1] or 1) if isinstance(self.kind, str) else int(self.kind is not None)

    @cached_property
    def values(self) -> int:
        """Of a round."""
        if self.kind is None:
            return 0
        if callable(self.kind):
            return _values_of(self.kind, self.num_agents, self.num_actions)
        others = self.num_actions ** (self.num_agents - 1)
        by_name = {
            "last_profile": self.num_actions * others,
            "own_last": self.num_actions,
            "others_last": others,
            "others_counts": self.num_agents ** (self.num_actions - 1),
        }
        return by_name[_parsed(self.kind)[0]]

    @property
    def count(self) -> int:
        """Number of states, those that cannot occur included."""
        return (self.values + 1) ** self.rounds

    def digits(self, actions: Tensor) -> Tensor:
        """What each agent saw of a round, 1..values; -1 where that was not observed. int64 [*B, N] -> [*B, N]"""
        missing = actions == MISSING
        acted = actions.clamp(min=0)
        if self.kind is None:
            return torch.zeros_like(actions)
        name = "" if callable(self.kind) else _parsed(self.kind)[0]
        if callable(self.kind):
            digit = self.kind(acted)
        elif name == "own_last":
            digit = acted
        elif name == "others_counts":
            digit = self._counts(acted)
        else:
            digit = self._others(acted)
            if name == "last_profile":
                digit = acted + self.num_actions * digit
        if name == "own_last":
            unseen = missing
        else:
            unseen = missing.any(-1, keepdim=True).expand_as(missing)
            if name.startswith("others"):
                unseen = missing.sum(-1, keepdim=True) > missing.long()
        return torch.where(unseen, UNKNOWN, digit + 1)

    def _others(self, actions: Tensor) -> Tensor:
        """The others' actions as one number, in the order of the agents. [*B, N]"""
        power = self.num_actions ** torch.arange(self.num_agents, device=actions.device)
        terms = actions * power
        before = terms.cumsum(-1) - terms
        after = terms.sum(-1, keepdim=True) - before - terms
        return before + after // self.num_actions

    def _counts(self, actions: Tensor) -> Tensor:
        power = self.num_agents ** torch.arange(self.num_actions, device=actions.device)
        weights = torch.where(power > 1, power // self.num_agents, 0)[actions]  # of actions but the first
        return weights.sum(-1, keepdim=True) - weights

    def after(self, states: Tensor, digits: Tensor) -> Tensor:
        """The next state, -1 where unknown. int64 [*B, N] each."""
        if self.kind is None:
            return torch.zeros_like(digits)
        base = self.values + 1
        known = (states >= 0) & (digits >= 0)
        return torch.where(known, states % base ** (self.rounds - 1) * base + digits, UNKNOWN)

    def along(self, actions: Tensor) -> Tensor:
        """States before each round of matches that begin at round 0. int64 [E, T, N] -> [E, T, N]"""
        if self.kind is None:
            return torch.zeros_like(actions)
        digits, base = self.digits(actions), self.values + 1
        states, known = torch.zeros_like(actions), torch.ones_like(actions, dtype=torch.bool)
        for ago in range(1, min(self.rounds, actions.shape[1] - 1) + 1):
            then = torch.zeros_like(digits)
            then[:, ago:] = digits[:, :-ago]
            known &= then >= 0
            states += then.clamp(min=0) * base ** (ago - 1)
        return torch.where(known, states, UNKNOWN)

    def deviated_digits(self, actions: Tensor) -> Tensor:
        """`digits` had each agent alone played each of its actions. int64 [*B, N] -> [*B, N, A]"""
        found = torch.empty(*actions.shape, self.num_actions, dtype=torch.int64, device=actions.device)
        for agent in range(self.num_agents):
            for own in range(self.num_actions):
                deviated = actions.clone()
                deviated[..., agent] = own
                found[..., agent, own] = self.digits(deviated)[..., agent]
        return found


def check_state(kind: str | StateFunction | None) -> None:
    """Raise ValueError unless there is such a state."""
    if isinstance(kind, str) and not PATTERN.fullmatch(kind):
        raise ValueError(
            f"state must be one of {', '.join(NAMES)} (_2, _3 ... for more rounds), a function or None; got {kind!r}"
        )


def _parsed(kind: str) -> tuple[str, str | None]:
    found = PATTERN.fullmatch(kind)
    assert found is not None
    return found[1], found[2]


def _values_of(function: StateFunction, num_agents: int, num_actions: int) -> int:
    if num_actions**num_agents > MOST_STATES:
        raise ValueError(f"a state function is tried on all profiles: {num_actions}^{num_agents} are too many")
    profiles = torch.cartesian_prod(*[torch.arange(num_actions)] * num_agents).reshape(-1, num_agents)
    found = function(profiles)
    if found.shape != profiles.shape or found.dtype != torch.int64 or bool((found < 0).any()):
        raise ValueError("a state function takes int64 [*B, N] and gives int64 [*B, N], numbers from 0 on")
    return int(found.max()) + 1
