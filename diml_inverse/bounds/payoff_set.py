"""The set of payoffs under which nobody's regret is above its limit, as linear programmes.

Variables: the P unknown parameters; for each term of a regret that is a sum, its largest gain; for each agent its
regret e_i, whose upper end is epsilon_i. So the set for another epsilon is the same programme with another end.

Agents whose payoffs have no parameter in common, directly or through what is known, are separate blocks, and
payoffs of a block without a unit need a scale:

    largest   the largest difference between two own actions in one context is 1. A union of convex pieces, one for
              each difference that may be the largest, so for small games.
    range     differences are 1 at most. Convex; holds payoffs without differences too, so no interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from diml_inverse.bounds.form import Form
from diml_inverse.bounds.regret import Regret
from diml_inverse.bounds.rows import Programme, Rows, components, stacked

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_PROGRAMMES = 1_000  # that the bounds of one block may take under the scale "largest"
OWN, LARGEST, RANGE = "own units", "largest difference 1", "differences at most 1"


@dataclass(frozen=True)
class Block:
    """Payoffs that are bounded together.

    Attributes:
        columns: of the variables, in the order of the pieces' variables; further ones of a piece are its own.
        pieces: convex parts of the set.
        agents: whose payoffs these are.
        scale: `OWN`, `LARGEST` or `RANGE`.
    """

    columns: IntArray
    pieces: tuple[Programme, ...]
    agents: tuple[int, ...]
    scale: str

    def minimise(self, direction: FloatArray) -> tuple[float, FloatArray | None]:
        """Over all pieces; direction and point over all variables of the block."""
        found = [piece.minimise(_padded(direction, len(piece.low))) for piece in self.pieces]
        value, point = min(found, key=lambda pair: pair[0])
        return value, None if point is None else point[: len(self.columns)]


@dataclass(frozen=True)
class PayoffSet:
    """Blocks over the variables [parameters, terms, regrets].

    Attributes:
        form, regret: what it is made of.
        known: rows on the parameters that hold beforehand.
        blocks: each set of agents with parameters in common.
        regrets: places of the agents' regrets among the variables, [N].
    """

    form: Form
    regret: Regret
    known: Rows
    blocks: tuple[Block, ...]
    regrets: IntArray

    def extreme(self, direction: FloatArray) -> tuple[float, bool]:
        """Least of direction . parameters, and whether it is attained. direction [P]."""
        whole = _padded(direction, self.regrets[-1] + 1)
        if np.any(np.delete(whole, np.concatenate([block.columns for block in self.blocks]))):
            return -np.inf, False  # a parameter that no choice depends on
        touched = [block for block in self.blocks if np.any(whole[block.columns])]
        least = [block.minimise(whole[block.columns])[0] for block in touched]
        return float(sum(least)), bool(np.isfinite(least).all())

    def interval(self, direction: FloatArray) -> tuple[float, float, bool]:
        """Least and most of direction . parameters, and whether both are attained."""
        (low, one), (high, other) = self.extreme(direction), self.extreme(-direction)
        return low, -high, one and other

    def with_epsilon(self, epsilon: FloatArray) -> PayoffSet:
        """At these limits, [N]; pieces without any payoffs are left out."""
        return replace(self, blocks=tuple(self._limited(block, epsilon) for block in self.blocks))

    def _limited(self, block: Block, epsilon: FloatArray) -> Block:
        agents = list(block.agents)
        place = np.searchsorted(block.columns, self.regrets[agents])
        limited = [piece.with_high(place, epsilon[agents]) for piece in block.pieces]
        some = [
            piece for piece in limited if len(limited) > 1 and piece.minimise(np.zeros(len(piece.low)))[1] is not None
        ]
        return replace(block, pieces=tuple(some or limited[:1]))

    def least_regret(self) -> tuple[FloatArray, FloatArray]:
        """The agents' regrets [N] and parameters [P] at which the sum of the regrets of each block is least.

        NaN for agents that never chose, 0 for parameters that no choice depends on.

        Raises:
            ValueError: nothing known beforehand fits, or regret has no least.
        """
        point = np.full(self.regrets[-1] + 1, np.nan)
        for block in self.blocks:
            direction = np.isin(block.columns, self.regrets).astype(float)
            value, found = block.minimise(direction)
            if found is None:
                why = "what is said to be known contradicts itself" if value > 0 else "regret falls without end"
                raise ValueError(f"no payoffs of least regret: {why}")
            point[block.columns] = found
        return point[self.regrets], np.nan_to_num(point[: len(self.form.names)])


def payoff_set(form: Form, regret: Regret, known: Sequence[Rows], scale: str | None) -> PayoffSet:
    """The set without limits on regret.

    Args:
        form, regret: of the play.
        known: rows on the parameters.
        scale: `LARGEST` or `RANGE` for blocks without a unit; None: the first where it takes few programmes.
    """
    parameters, terms, agents = len(form.names), int(regret.term.max()) + 1, len(regret.decisions)
    regrets = parameters + terms + np.arange(agents)
    beforehand = stacked([Rows(csr_array((0, parameters)), np.zeros(0), np.zeros(0)), *known])
    rows = stacked([_gain_rows(regret, parameters, terms), *_sum_rows(regret, parameters, terms), beforehand])
    rows = rows.widened(parameters + terms + agents)
    free = np.full(rows.matrix.shape[1], np.inf)
    whole = Programme(rows, -free, free)
    related = np.zeros(len(free), bool)
    related[beforehand.matrix.indices] = True
    blocks = tuple(_blocks(whole, form, regret, regrets, scale, related))
    return PayoffSet(form, regret, beforehand, blocks, regrets)


def _gain_rows(regret: Regret, parameters: int, terms: int) -> Rows:
    """gain <= its term's largest."""
    count = len(regret.offset)
    columns = csr_array((-np.ones(count), (np.arange(count), regret.term)), shape=(count, terms))
    return Rows(hstack([regret.matrix, columns], format="csr"), np.full(count, -np.inf), -regret.offset)


def _sum_rows(regret: Regret, parameters: int, terms: int) -> Iterator[Rows]:
    """The sum of an agent's terms, or each of them, <= its regret."""
    agent = np.zeros(terms, np.int64)
    agent[regret.term] = regret.agent
    row = np.arange(terms) if regret.worst_term else agent
    number = terms if regret.worst_term else len(regret.decisions)
    matrix = csr_array((np.ones(terms), (row, parameters + np.arange(terms))), shape=(number, parameters + terms))
    owner = agent if regret.worst_term else np.arange(number)
    last = csr_array((-np.ones(number), (np.arange(number), owner)), shape=(number, len(regret.decisions)))
    yield Rows(hstack([matrix, last], format="csr"), np.full(number, -np.inf), np.zeros(number))


def _blocks(
    whole: Programme,
    form: Form,
    regret: Regret,
    regrets: IntArray,
    scale: str | None,
    related: NDArray[np.bool_],
) -> Iterator[Block]:
    group = components(whole.rows.matrix)
    occupied = np.diff(whole.rows.matrix.indptr) > 0
    first = np.zeros(whole.rows.matrix.shape[0], np.int64)
    first[occupied] = whole.rows.matrix.indices[whole.rows.matrix.indptr[:-1][occupied]]
    acting = regret.decisions > 0
    for one in sorted(set(group[regrets[acting]])):
        columns, rows = np.flatnonzero(group == one), np.flatnonzero(occupied & (group[first] == one))
        agents = tuple(int(i) for i in np.flatnonzero((group[regrets] == one) & acting))
        programme = whole.restricted(columns, rows)
        if _has_unit(programme.rows):
            yield Block(columns, (programme,), agents, OWN)
            continue
        yield _scaled(columns, programme, agents, form, scale, bool(related[columns].any()))
    for one in sorted(set(group[: len(form.names)]) - set(group[regrets[acting]])):
        columns, rows = np.flatnonzero(group == one), np.flatnonzero(occupied & (group[first] == one))
        if rows.size:  # parameters of which something is known, but that no choice depends on
            yield Block(columns, (whole.restricted(columns, rows),), (), OWN)


def _has_unit(rows: Rows) -> bool:
    """Something other than 0 stands on the right."""
    ends = np.concatenate([rows.low, rows.high])
    return bool(np.any(np.isfinite(ends) & (ends != 0)))


def _scaled(
    columns: IntArray,
    programme: Programme,
    agents: tuple[int, ...],
    form: Form,
    scale: str | None,
    related: bool,
) -> Block:
    payoffs, exists = context_lines(form, agents)
    local = np.flatnonzero(columns < len(form.names))
    matrix = csr_array(form.matrix[:, columns[local]])
    lines = payoffs[exists]
    ranged, place = _within_one(programme, csr_array(matrix[lines]), exists, related)
    actions = exists.sum(1)
    facets = int((actions * (actions - 1)).sum())
    if scale == RANGE or (scale is None and facets * 2 * exists.sum() > MOST_PROGRAMMES):
        return Block(columns, (ranged,), agents, RANGE)
    pieces = []
    for better, worse in _pairs(exists):
        if csr_array(matrix[[lines[better]]] - matrix[[lines[worse]]]).count_nonzero():
            piece = place(better, worse)
            if not related or piece.minimise(np.zeros(len(piece.low)))[1] is not None:
                pieces.append(piece)
    return Block(columns, tuple(pieces) or (ranged,), agents, LARGEST if pieces else RANGE)


def context_lines(form: Form, agents: Sequence[int]) -> tuple[IntArray, NDArray[np.bool_]]:
    """Lines of the form that are payoffs of own actions of these agents in the contexts they met, [K, A]; mask."""
    own = np.arange(form.num_actions)
    parts, masks = [], []
    for agent in agents:
        met = np.unique(form.index[..., agent])
        parts.append(met[met >= 0][:, None] * form.num_actions + own)
        masks.append(np.broadcast_to(own < form.mechanism.action_counts[agent], parts[-1].shape))
    lines, where = np.unique(np.concatenate(parts), axis=0, return_index=True)
    return lines, np.concatenate(masks)[where]


def _pairs(exists: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Every two actions of each context, both ways; numbered through all actions that exist."""
    ends = np.cumsum(exists.sum(1))
    for first, last in zip(ends - exists.sum(1), ends, strict=True):
        yield from ((better, worse) for better in range(first, last) for worse in range(first, last) if better != worse)


def _within_one(
    programme: Programme, used: csr_array, exists: NDArray[np.bool_], related: bool
) -> tuple[Programme, Callable[[int, int], Programme]]:
    """Differences within each context at most 1: some level of the context's own leaves its payoffs in [0, 1].

    And a function that puts the first of two payoffs at 1 and the second at 0. used: coefficients of the payoffs.
    """
    each_its_own = used.nnz == used.shape[0] == len(np.unique(used.indices)) and bool((used.data == 1).all())
    if each_its_own and not related:  # free payoffs: the level is theirs to choose
        return _boxed(programme, used.indices)
    contexts, lines, rows = len(exists), used.shape[0], len(programme.rows.low)
    level = csr_array((-np.ones(lines), (np.arange(lines), np.nonzero(exists)[0])), shape=(lines, contexts))
    gap = csr_array((lines, len(programme.low) - used.shape[1]))
    free = np.full(contexts, np.inf)
    wide = replace(programme, low=np.append(programme.low, -free), high=np.append(programme.high, free))
    within = Rows(hstack([used, gap, level], format="csr"), np.zeros(lines), np.ones(lines))
    ranged = wide.with_rows(within)

    def place(better: int, worse: int) -> Programme:
        low, high = ranged.rows.low.copy(), ranged.rows.high.copy()
        low[rows + better], high[rows + worse] = 1.0, 0.0
        return replace(ranged, rows=replace(ranged.rows, low=low, high=high))

    return ranged, place


def _boxed(programme: Programme, where: IntArray) -> tuple[Programme, Callable[[int, int], Programme]]:
    low, high = programme.low.copy(), programme.high.copy()
    low[where], high[where] = 0.0, 1.0

    def place(better: int, worse: int) -> Programme:
        lowest, highest = low.copy(), high.copy()
        lowest[where[better]], highest[where[worse]] = 1.0, 0.0
        return replace(programme, low=lowest, high=highest)

    return replace(programme, low=low, high=high), place


def _padded(direction: FloatArray, size: int) -> FloatArray:
    return np.pad(direction, (0, size - len(direction)))
