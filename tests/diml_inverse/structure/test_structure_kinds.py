"""Contrasts and kinds of interaction against their definitions, written out by loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from diml_inverse.structure import Game, Interaction, Kind, SameAction, SymmetricInteraction, default_kinds
from diml_inverse.structure.contrasts import are_numbers, contrasts, smooth_contrasts
from diml_inverse.structure.kinds import num_weights

UNEVEN = (0.0, 1.0, 10.0, 2.5, -4.0)


def game(*counts: int) -> Game:
    """Actions labelled by letters: nothing to smooth."""
    return Game(tuple(tuple("abcdefgh"[:count]) for count in counts))


def levels(num_agents: int, labels: Sequence[float] = UNEVEN) -> Game:
    return Game((tuple(labels),) * num_agents)


def everything_others_can_do(of: Game, agent: int) -> NDArray[np.int64]:
    """[K, N - 1], each once: uniform play."""
    rest = [range(count) for j, count in enumerate(of.action_counts) if j != agent]
    return np.array(list(itertools.product(*rest)), np.int64).reshape(-1, len(rest))


@pytest.mark.parametrize("count", [2, 3, 5, 40])
def test_contrasts_are_orthogonal_hold_no_level_and_treat_actions_alike(count: int) -> None:
    columns = contrasts(count)
    assert columns.shape == (count, count - 1)
    gram = columns.T @ columns
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(count - 1), atol=1e-12)
    np.testing.assert_allclose(columns.sum(0), 0, atol=1e-12)
    similarity = columns @ columns.T  # prior covariance of payoffs: 1 with itself, one value with all others
    np.testing.assert_allclose(similarity, np.eye(count) * (1 + 1 / (count - 1)) - 1 / (count - 1), atol=1e-12)


@pytest.mark.parametrize("labels", [UNEVEN, (0, 1, 2), tuple(range(40)), (1e-6, 2e-6, 1e6)], ids=str)
def test_smooth_contrasts_shrink_by_degree(labels: tuple[float, ...]) -> None:
    columns = smooth_contrasts(labels)
    gram = columns.T @ columns
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
    np.testing.assert_allclose(columns.sum(0), 0, atol=1e-12)
    assert (columns**2).sum(1).mean() == pytest.approx(1)
    assert np.diag(gram)[1:] == pytest.approx(np.diag(gram)[:-1] / 4)
    line = np.polynomial.Polynomial.fit(labels, columns[:, 0], 1)  # the first is linear in the labels
    np.testing.assert_allclose(columns[:, 0], line(np.array(labels)), atol=1e-12)


def test_smooth_functions_are_likelier_than_rough_ones() -> None:
    """Prior covariance falls with distance."""
    similarity = smooth_contrasts(range(9)) @ smooth_contrasts(range(9)).T
    assert similarity[4, 5] > similarity[4, 6] > similarity[4, 8]


@pytest.mark.parametrize("columns", [contrasts(1), smooth_contrasts([3.0])])
def test_one_action_has_nothing_to_contrast(columns: NDArray[np.float64]) -> None:
    assert columns.shape == (1, 0)


def test_two_actions_have_one_contrast() -> None:
    assert np.abs(contrasts(2)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [((1, 2, 3), True), ((0.5, 1, 9), True), ((1, 2), False), (("1", "2", "3"), False), ((True, False, True), False)],
)
def test_numbers_are_told_from_names(labels: tuple[float, ...], numbers: bool) -> None:
    assert are_numbers(labels) is numbers


def interaction(of: Game, agent: int, others: Sequence[int], own: int, order: int, smooth: bool) -> list[float]:
    """A weight for each set of `order` others and each choice of a column of oneself and of each of them."""
    columns = [smooth_contrasts(labels) if smooth else contrasts(len(labels)) for labels in of.action_labels]
    rest = [j for j in range(of.num_agents) if j != agent]
    sets = list(itertools.combinations(range(len(rest)), order))
    values = []
    for chosen in sets:
        of_others = [columns[rest[place]][others[place]] for place in chosen]
        for terms in itertools.product(*of_others, columns[agent][own]):
            values.append(math.prod(terms) / math.sqrt(len(sets)))
    return values


def symmetric(of: Game, others: Sequence[int], own: int, order: int, smooth: bool) -> list[float]:
    """A weight for each bag of columns of the others; who has which is summed over."""
    labels = of.action_labels[0]
    columns = smooth_contrasts(labels) if smooth else contrasts(len(labels))
    sets = list(itertools.combinations(others, order))
    values = []
    for bag in itertools.combinations_with_replacement(range(columns.shape[1]), order):
        orders = set(itertools.permutations(bag))
        total = sum(
            math.prod(columns[action, degree] for action, degree in zip(chosen, degrees, strict=True))
            for chosen in sets
            for degrees in orders
        )
        values += [total / math.sqrt(len(orders) * len(sets)) * own_value for own_value in columns[own]]
    return values


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_features_of_interactions_follow_the_loops(order: int, smooth: bool) -> None:
    """Unequal action counts where agents are told apart, three others."""
    free = Game((tuple(range(3)), UNEVEN, tuple(range(4)), (0.0, 2.0, 3.0)))
    others = everything_others_can_do(free, 1)[::7]
    found = Interaction(order, smooth).features(free, 1, others)
    expected = [[interaction(free, 1, row, own, order, smooth) for own in range(5)] for row in others.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    shared = levels(4)
    others = everything_others_can_do(shared, 0)[::7]
    found = SymmetricInteraction(order, smooth).features(shared, 0, others)
    expected = [[symmetric(shared, row, own, order, smooth) for own in range(5)] for row in others.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_same_action_counts_sets_of_others(order: int) -> None:
    """Up to one factor for all, the binomial count; a weight for each action, or one for all."""
    of = game(3, 3, 3, 3)
    others = everything_others_can_do(of, 2)
    found = SameAction(order).features(of, 2, others)
    counts = np.array([[math.comb(row.count(own), order) for own in range(3)] for row in others.tolist()], float)
    scale = found.max() / counts.max()
    np.testing.assert_allclose(found, scale * counts[:, :, None] * np.eye(3), atol=1e-12)
    alike = SameAction(order, alike=True).features(of, 2, others)
    np.testing.assert_allclose(alike[:, :, 0], scale * counts, atol=1e-12)


SHARED: list[Kind] = [
    *(SymmetricInteraction(order, smooth) for order in range(4) for smooth in (False, True)),
    *(SameAction(order, alike) for order in (1, 2, 3) for alike in (False, True)),
]


@pytest.mark.parametrize("kind", SHARED, ids=str)
def test_shared_kinds_are_one_function_for_all_whoever_the_others_are(kind: Kind) -> None:
    of = levels(4)
    others = everything_others_can_do(of, 0)[::11]
    found = kind.features(of, 0, others)
    assert kind.shared
    assert num_weights(kind, of) == found.shape[-1]
    np.testing.assert_array_equal(kind.features(of, 3, others), found)
    for order in itertools.permutations(range(3)):
        np.testing.assert_allclose(kind.features(of, 0, others[:, order]), found, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_no_action_is_special_to_rough_kinds(order: int) -> None:
    """Prior covariances of payoffs stay as they are when actions are given other names."""
    of, names = game(3, 3, 3), np.array([2, 0, 1])
    others = everything_others_can_do(of, 0)
    for kind in (Interaction(order), SymmetricInteraction(order)):
        before = kind.features(of, 0, others)
        after = kind.features(of, 0, names[others])[:, names]
        first, second = (rows.reshape(-1, rows.shape[-1]) for rows in (before, after))
        np.testing.assert_allclose(first @ first.T, second @ second.T, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("smooth", [False, True])
def test_weights_of_variance_one_give_payoffs_of_variance_one(order: int, smooth: bool) -> None:
    """On average over uniform play; symmetric kinds of order 2 have fewer weights and a little less."""
    of = levels(3)
    others = everything_others_can_do(of, 0)
    free = Interaction(order, smooth).features(of, 0, others)
    assert (free**2).sum(-1).mean() == pytest.approx(1)
    shared = SymmetricInteraction(order, smooth).features(of, 0, others)
    assert 0.5 < (shared**2).sum(-1).mean() < 1 + 1e-9
    if order > 0:
        for kind in (SameAction(order), SameAction(order, alike=True)):
            assert (kind.features(of, 0, others) ** 2).sum(-1).mean() == pytest.approx(1)


def test_kinds_that_apply() -> None:
    names = [kind.name for kind in default_kinds(levels(3))]
    assert len(names) == len(set(names))
    assert any("smooth" in name for name in names)
    assert not any("smooth" in kind.name for kind in default_kinds(game(3, 3, 3)))
    assert not any("smooth" in kind.name for kind in default_kinds(Game(((1, 2),) * 3)))
    assert {type(kind) for kind in default_kinds(game(2, 3, 2))} == {Interaction}
    assert [kind.name for kind in default_kinds(game(2))] == ["own action, shared", "own action, per agent"]


def test_two_agents_with_two_actions() -> None:
    sizes = {kind.name: num_weights(kind, game(2, 2)) for kind in default_kinds(game(2, 2))}
    assert sizes == {
        "own action, shared": 1,
        "own action, per agent": 2,
        "own action x one other, shared": 1,
        "own action x one other, per agent": 2,
        "one other on the own action, alike for all actions": 1,
        "one other on the own action, shared": 2,
    }


def test_number_of_weights_is_bounded_but_for_the_lowest_orders() -> None:
    of = game(*[6] * 4)
    kinds = default_kinds(of, most_weights=300)
    assert {kind.order for kind in kinds if isinstance(kind, Interaction)} == {0, 1}
    assert sum(num_weights(kind, of) for kind in default_kinds(of)) <= 1500


def test_many_agents_with_two_actions_are_quick() -> None:
    """Orders of ten equal columns used to be listed, all 10! of them."""
    kinds = default_kinds(game(*[2] * 12))
    assert SymmetricInteraction(11) in kinds
