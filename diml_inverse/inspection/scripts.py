"""Seats that do not choose: moves that repeat from episode to episode, or in a cycle, or that answer to nothing.

Null of "answers to nothing": an agent's moves are independent draws from one distribution. Score tests against what the
others did, how early it is, and all of the past have level .02 together, so that 49 in 50 seats of which this is true
are named. A learner is named where the tests miss what it does, as they must where its payoffs hardly differ: some one
in a hundred beyond 300 decisions, and then as a suggestion only. In shorter play a note says how many decisions are
needed. A seat that takes one action three times in four is never named: that it prefers it is what payoffs would show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import chi2

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, NOTE, Finding, few

CHANCE = 1e-6  # of moves that agree by accident
LEVEL = 0.02
# With two actions, and for each one more: to say that a seat answers to nothing.
FEWEST_DECISIONS, FOR_EACH_ACTION = 300, 150
MOST_OF_ONE = 0.75
FEWEST_TESTED = 60  # below these nobody would expect to see it
LONGEST_CYCLE = 12
MEMORY = 0.75  # of the averages that moves may answer to
EARLY = 5.0  # rounds in which what is special about the first fades
_MOST_APART = 4  # others looked at one by one; of more, only how many did what


def repeated_moves(traces: Traces) -> tuple[str, ...]:
    """Agents whose moves are the same in all episodes while others' differ.

    An agent that always takes one action is none of them, nor is anyone where all play is the same: then no episode
    shows what an agent does when others do something else.
    """
    same = [i for i in range(traces.num_agents) if _repeats(traces, i)]
    return tuple(traces.agents[i] for i in same) if len(same) < traces.num_agents else ()


def seats_that_do_not_choose(traces: Traces) -> Iterator[Finding]:
    """Scripts, cycles, draws, and episodes that are copies."""
    given = set(getattr(traces, "given", ()))
    repeated = [agent for agent in repeated_moves(traces) if agent not in given]
    for agent in repeated:
        yield Finding(
            "scripted_seat",
            DECISION,
            f"agent {agent!r} makes the same moves in all {len(traces)} episodes, whatever the others do",
            "Take it as given: context for the others, with no payoffs of its own",
            f"--given {agent}",
        )
    yield from _copies(traces)
    for i, agent in enumerate(traces.agents):
        if agent in given or agent in repeated:
            continue
        if period := _cycle(traces, i):
            message = f"agent {agent!r} repeats the same {period} moves over and over"
        elif not _answers_to_nothing(traces, i):
            continue
        elif (number := int((traces.actions[..., i] >= 0).sum())) < (enough := _enough(traces, i)):
            yield Finding(
                "too_short_to_tell",
                NOTE,
                f"agent {agent!r} answers to nothing so far; {number} decisions are too few to tell it from a script",
                f"{enough} decisions would",
            )
            continue
        else:
            message = f"agent {agent!r} answers to nothing: its moves look like draws from one distribution"
        yield Finding(
            "scripted_seat", DECISION, message, "If it is a script or chance, take it as given", f"--given {agent}"
        )


def _repeats(traces: Traces, i: int) -> bool:
    moves, long = traces.actions[..., i], int(traces.lengths.min())
    known = moves[:, :long]
    if len(traces) < 2 or (known < 0).any():
        return False
    if not (known == known[0]).all() or not _same_tails(moves, traces.lengths):
        return False
    changes = int((np.diff(known[0]) != 0).sum())  # someone who settles on an action changes once
    chance = math.log(float(((np.bincount(known[0]) / long) ** 2).sum()))
    return changes > 2 and long * (len(traces) - 1) * chance < math.log(CHANCE)


def _same_tails(moves: NDArray[np.int64], lengths: NDArray[np.int64]) -> bool:
    longest = moves[int(lengths.argmax())]
    return bool(((moves == longest) | (np.arange(moves.shape[1]) >= lengths[:, None])).all())


def _copies(traces: Traces) -> Iterator[Finding]:
    """Episodes alike that by accident, among all pairs, would hardly be."""
    if len(traces) < 2:
        return
    _, first, number = np.unique(traces.actions.reshape(len(traces), -1), axis=0, return_index=True, return_counts=True)
    unlikely = _log_chance(traces)[first] < math.log(CHANCE / len(traces) ** 2)
    copied = np.flatnonzero((number > 1) & unlikely)
    if copied.size:
        of = few(traces.episodes[i] for i in first[copied])
        yield Finding(
            "copied_episodes",
            DECISION,
            f"{int((number[copied] - 1).sum())} of {len(traces)} episodes are copies of others, move by move (of {of})",
            "Leave the copies out, unless agents without any chance played them: they count as evidence twice",
        )


def _log_chance(traces: Traces) -> NDArray[np.float64]:
    """Of each episode [E], if every agent's next move depended on its last one only."""
    total = np.zeros(len(traces))
    for own, size in zip(np.moveaxis(traces.actions, -1, 0), traces.action_counts, strict=True):
        last, now = own[:, :-1], own[:, 1:]
        both = (last >= 0) & (now >= 0)
        steps = np.zeros((size, size))
        np.add.at(steps, (last[both], now[both]), 1)
        chance = np.log(np.maximum(steps, 1) / np.maximum(steps.sum(1, keepdims=True), 1))
        total += np.where(both, chance[last, now], 0).sum(1)
    return total


def _cycle(traces: Traces, i: int) -> int:
    """The shortest period of the agent's moves, in all episodes; 0 where others repeat too or it has none."""
    others = [j for j in range(traces.num_agents) if j != i]
    for period in range(2, LONGEST_CYCLE + 1):
        if int(traces.lengths.min()) >= max(4 * period, 20) and _has_period(traces, [i], period):
            return 0 if others and _has_period(traces, others, period) else period
    return 0


def _has_period(traces: Traces, agents: list[int], period: int) -> bool:
    moves = traces.actions[..., agents]
    inside = (np.arange(traces.num_rounds) < traces.lengths[:, None])[:, period:, None]
    alike = (moves[:, period:] == moves[:, :-period]) & (moves[:, period:] >= 0)
    return bool((alike | ~inside).all()) and all(
        len(np.unique(moves[..., k][moves[..., k] >= 0])) > 1 for k in range(len(agents))
    )


def _enough(traces: Traces, i: int) -> int:
    """Decisions needed to say that a seat answers to nothing."""
    taken = len(np.unique(traces.actions[..., i][traces.actions[..., i] >= 0]))
    return FEWEST_DECISIONS + FOR_EACH_ACTION * (taken - 2)


def _answers_to_nothing(traces: Traces, i: int) -> bool:
    """Nothing shows, in play of whatever length, that it does not draw its moves from one distribution."""
    moves, size = traces.actions[..., i], traces.action_counts[i]
    decided = moves >= 0
    counts = np.bincount(moves[decided], minlength=size)
    taken = np.flatnonzero(counts > 0)
    if len(taken) < 2 or decided.sum() < FEWEST_TESTED or counts.max() > MOST_OF_ONE * decided.sum():
        return False
    shares = counts[taken] / decided.sum()
    residuals = ((moves[decided][:, None] == taken) - shares)[:, :-1]
    features = [part[decided] - part[decided].mean(0) for part in _pasts(traces, i)]
    return len(features) * min(_p_value(part, residuals, shares) for part in features) > LEVEL


def _p_value(features: NDArray[np.float64], residuals: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Of the score test that residuals [n, A - 1] of draws with these shares are unrelated to features [n, K]."""
    left, sizes, _ = np.linalg.svd(features, full_matrices=False)
    left = left[:, sizes > 1e-6 * sizes[0]] if sizes[0] > 0 else left[:, :0]
    score = left.T @ residuals
    spread = np.diag(shares[:-1]) - np.outer(shares[:-1], shares[:-1])
    statistic = float(np.einsum("ka,ab,kb->", score, np.linalg.inv(spread), score))
    return float(chi2.sf(statistic, score.size)) if score.size else 1.0


def _pasts(traces: Traces, i: int) -> list[NDArray[np.float64]]:
    """What moves may answer to, [E, T, K] each: averages of others' moves, how early it is, and these, own and last
    moves together."""
    others = [j for j in range(traces.num_agents) if j != i]
    dummies = [_dummies(traces, j) for j in [i, *others]]
    if len(others) > _MOST_APART:
        widest = max(part.shape[-1] for part in dummies[1:])
        padded = [np.pad(part, ((0, 0), (0, 0), (0, widest - part.shape[-1]))) for part in dummies[1:]]
        dummies = [dummies[0], np.sum(padded, axis=0)]
    now = np.concatenate(dummies, axis=-1)
    last = np.concatenate([np.zeros_like(now[:, :1]), now[:, :-1]], axis=1)
    average = lfilter([1 - MEMORY], [1, -MEMORY], last, axis=1)
    early = np.broadcast_to(np.exp(-np.arange(traces.num_rounds) / EARLY)[None, :, None], (*last.shape[:2], 1))
    of_others = average[..., dummies[0].shape[-1] :]
    return [part for part in (of_others, early, np.concatenate([last, average, early], axis=-1)) if part.shape[-1]]


def _dummies(traces: Traces, j: int) -> NDArray[np.float64]:
    """Whether the agent took each action but the last [E, T, A_j - 1]."""
    return (traces.actions[..., j, None] == np.arange(max(traces.action_counts[j] - 1, 1))).astype(float)
