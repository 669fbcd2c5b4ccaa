"""Kinds of interaction that an agent's payoffs may be a sum of."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Label
from diml_inverse.structure.contrasts import are_numbers, contrasts, smooth_contrasts

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Game:
    """What is known of a game beforehand: who can do what.

    Attributes:
        action_labels: of each agent's actions.
    """

    action_labels: tuple[tuple[Label, ...], ...]

    @property
    def num_agents(self) -> int:
        """N."""
        return len(self.action_labels)

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Actions of each agent."""
        return tuple(map(len, self.action_labels))

    @property
    def interchangeable(self) -> bool:
        """All agents have the same actions, so that payoffs may be the same function for all of them."""
        return len(set(self.action_labels)) == 1

    @property
    def ordered(self) -> bool:
        """All actions are numbers."""
        return all(map(are_numbers, self.action_labels))


class Kind(Protocol):
    """One kind of interaction: a linear family of payoffs with one prior variance for all its weights.

    Attributes:
        name: for tables and charts.
        shared: the same weights for all agents; otherwise each agent has its own.
    """

    @property
    def name(self) -> str: ...

    @property
    def shared(self) -> bool: ...

    def __hash__(self) -> int: ...

    def features(self, game: Game, agent: int, others: IntArray) -> FloatArray:
        """What each weight adds to each payoff of an agent.

        Args:
            game: who can do what.
            agent: whose payoffs.
            others: the others' actions in K contexts, in the order of agents, [K, N - 1].

        Returns:
            [K, A_i, P], scaled so that weights of variance one give payoffs of about variance one.
        """
        ...


@dataclass(frozen=True)
class Interaction:
    """Own action together with those of any `order` others, each set of others with a table of its own."""

    order: int
    smooth: bool = False
    shared: bool = False

    @property
    def name(self) -> str:
        return f"{_own_with(self.order)}, per agent{_smooth(self.smooth)}"

    def features(self, game: Game, agent: int, others: IntArray) -> FloatArray:
        columns = [_columns(labels, self.smooth) for labels in game.action_labels]
        rest = [j for j in range(game.num_agents) if j != agent]
        tables = []
        for chosen in itertools.combinations(range(len(rest)), self.order):
            of_others = np.ones((len(others), 1))
            for place in chosen:
                of_others = _products(of_others, columns[rest[place]][others[:, place]])
            tables.append(_with_own(of_others, columns[agent]))
        return np.concatenate(tables, -1) / math.sqrt(len(tables))


@dataclass(frozen=True)
class SymmetricInteraction:
    """Own action together with those of any `order` others, one table for all agents, whoever the others are."""

    order: int
    smooth: bool = False
    shared: bool = True

    @property
    def name(self) -> str:
        return f"{_own_with(self.order)}, shared{_smooth(self.smooth)}"

    def features(self, game: Game, agent: int, others: IntArray) -> FloatArray:
        columns = _columns(game.action_labels[agent], self.smooth)
        sets = math.comb(game.num_agents - 1, self.order)
        return _with_own(_symmetric_products(columns[others], self.order), columns) / math.sqrt(sets)


@dataclass(frozen=True)
class SameAction:
    """How many sets of `order` others chose the same action as oneself: congestion.

    A weight for each action, or one for all of them if `alike`.
    """

    order: int
    alike: bool = False
    shared: bool = True

    @property
    def name(self) -> str:
        who = "one other" if self.order == 1 else f"{self.order} others"
        return f"{who} on the own action, {'alike for all actions' if self.alike else 'shared'}"

    def features(self, game: Game, agent: int, others: IntArray) -> FloatArray:
        count = game.action_counts[agent]
        sets = np.array([math.comb(number, self.order) for number in range(game.num_agents)], dtype=np.float64)
        mean_square = _mean_square_under_uniform_play(sets, count)
        number = (others[:, :, None] == np.arange(count)).sum(1)  # [K, A]
        weights = np.ones((count, 1)) if self.alike else np.eye(count)
        return sets[number][:, :, None] * weights / math.sqrt(mean_square)


def default_kinds(game: Game, most_weights: int = 1500) -> list[Kind]:
    """Every kind that applies to the game, lower orders first, as long as there are at most so many weights.

    Orders 0 and 1 are always among them.
    """
    kinds: list[Kind] = []
    weights = 0
    for order in range(game.num_agents):
        for kind in _kinds_of_order(game, order):
            size = num_weights(kind, game)
            if order <= 1 or weights + size <= most_weights:
                kinds.append(kind)
                weights += size
    return kinds


def _kinds_of_order(game: Game, order: int) -> Iterator[Kind]:
    smooth = (False, True) if game.ordered else (False,)
    if game.interchangeable:
        yield from (SymmetricInteraction(order, rough) for rough in smooth)
        if order:
            yield SameAction(order, alike=True)
            yield SameAction(order)
    yield from (Interaction(order, rough) for rough in smooth)


def num_weights(kind: Kind, game: Game) -> int:
    """Weights of the kind, over all agents."""
    sizes = weights_of_agents(kind, game)
    return sizes[0] if kind.shared else sum(sizes)


@functools.lru_cache(1024)
def weights_of_agents(kind: Kind, game: Game) -> tuple[int, ...]:
    """Weights that matter to each agent."""
    nobody = np.zeros((1, game.num_agents - 1), dtype=np.int64)
    return tuple(kind.features(game, agent, nobody).shape[-1] for agent in range(game.num_agents))


def _own_with(order: int) -> str:
    return "own action" + ("" if order == 0 else " x one other" if order == 1 else f" x {order} others")


def _smooth(smooth: bool) -> str:
    return ", smooth" if smooth else ""


@functools.lru_cache(1024)
def _columns(labels: Sequence[Label], smooth: bool) -> FloatArray:
    return smooth_contrasts(labels) if smooth else contrasts(len(labels))


def _products(left: FloatArray, right: FloatArray) -> FloatArray:
    """All products of a column of each, row by row. [K, P], [K, Q] -> [K, P Q]"""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), left.shape[1] * right.shape[1])


def _with_own(of_others: FloatArray, own: FloatArray) -> FloatArray:
    """[K, P], [A, Q] -> [K, A, P Q]"""
    product = of_others[:, None, :, None] * own[None, :, None, :]
    return product.reshape(len(of_others), len(own), of_others.shape[1] * own.shape[1])


def _symmetric_products(columns: FloatArray, order: int) -> FloatArray:
    """Products of a column from each of any `order` others, summed over who has which.

    columns: [K, N - 1, P] -> [K, multisets of `order` columns], each divided by the root of its number of orders.
    """
    num_contexts, num_others, width = columns.shape
    # One other after the other: it stays out, or brings one of its columns to what those before it brought.
    sums: dict[tuple[int, ...], FloatArray] = {(): np.ones(num_contexts)}
    for other in range(num_others):
        for brought, total in list(sums.items()):
            for degree in range(width) if len(brought) < order else ():
                more = tuple(sorted((*brought, degree)))
                sums[more] = sums.get(more, np.zeros(num_contexts)) + total * columns[:, other, degree]
    multisets = list(itertools.combinations_with_replacement(range(width), order))
    products = [sums[multiset] / math.sqrt(_orders(multiset)) for multiset in multisets]
    return np.stack(products, 1) if products else np.zeros((num_contexts, 0))


def _orders(multiset: tuple[int, ...]) -> int:
    """Distinct orders of its members."""
    return math.factorial(len(multiset)) // math.prod(math.factorial(multiset.count(x)) for x in set(multiset))


def _mean_square_under_uniform_play(values: FloatArray, num_actions: int) -> float:
    """Mean square of values[number of others on an action] when N - 1 others choose uniformly."""
    others, share = len(values) - 1, 1 / num_actions
    chance = [math.comb(others, k) * share**k * (1 - share) ** (others - k) for k in range(others + 1)]
    return float(np.dot(chance, values**2)) or 1.0
