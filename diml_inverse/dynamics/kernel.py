"""The recursion of attraction learners over sequences of decisions, and its exact derivative, compiled.

`_followed` goes through each sequence forwards, keeps what every step overwrote, and comes back through it (reverse
mode by hand, one tape as long as the longest sequence). It is the definition in `AttractionDynamics` step by step, with
attractions of each (state, action). Everything is written for real and complex numbers alike: with complex ones of tiny
imaginary part it gives directional derivatives of values and gradients exactly (complex step: Squire & Trapp 1998).

One file, since the compiler's cache looks at the file of what is called alone; plain arrays with named planes, since
passing many arrays from function to function costs more than the arithmetic.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

PARAMETERS = (
    "learning_rate",
    "forgone_weight",
    "cumulation",
    "initial_experience",
    "precision",
    "exploration",
    "bonus",
    "habit",
    "discount",
    "inertia",
    "exploration_rounds",
    "exploration_floor",
)
RATE, FORGONE, CUMULATION, INITIAL, PRECISION, EXPLORATION, BONUS, HABIT, DISCOUNT, INERTIA, ROUNDS, FLOOR = range(12)
PAYOFF, REGRET, GRADIENT, IMPORTANCE = range(4)  # `by`
MAX, MEAN, CHOSEN = range(3)  # `value`
CONSTANT, LINEAR, EXPONENTIAL = range(3)  # `falls`
SKIP, LEARN, LEARN_NOTHING = range(3)  # a lesson: passed over; payoffs known; payoffs unknown, taken to be zero
COLUMNS = ("action", "row", "lesson", "state", "last", "count", "learner", "time", "asked")  # of `Steps.columns`
ACTION, ROW, LESSON, STATE, LAST, COUNT, LEARNER, TIME, ASKED = range(9)
ATTRACTION, EXPERIENCE, BACK, BACK_EXPERIENCE, COUNTS = range(5)  # planes of memory, [S, A] each
BEFORE, BEFORE_EXPERIENCE, PROB, OWN = range(4)  # planes of the tape, [L, A] each
TOTAL, NEXT_PROB, GAIN, ADDED, OF_GAIN, OF_ADDED, NOW_EXPERIENCE, OF_PROB = range(8)  # rows of scratch, [A] each
UNTRIED = 1e-3  # trials that an untried action counts as in the bonus, so that it is large but finite
INDIFFERENCE = 1e-3  # weight of an action without positive regret

# Nothing is allocated inside, so arrays need no counting of references.
FLAGS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}
inner = njit(**FLAGS, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]


class Options(NamedTuple):
    """What kind of learner, in numbers. block: rounds; mixes: whether exploration or inertia is in use."""

    by: int
    value: int
    falls: int
    block: int
    all_forget: bool
    by_regret: bool
    moving: bool
    mixes: bool


class Steps(NamedTuple):
    """n decisions sorted by sequence and time.

    starts: [Q + 1], where each sequence (what one learner remembers) begins.
    columns: [n, 9], `COLUMNS`: the own action, the row of the table, what it teaches (`SKIP`, `LEARN`,
        `LEARN_NOTHING`), the state (-1: unknown), the last own action (-1: none), the number of actions, the row of
        parameters, rounds played before, and the action whose probability is asked for, mostly the own.
    follows: [n, 1 or A], the state after the own action, or after each own action had it been taken; -1 where nothing
        follows. Where the value of a state is that of the choice made there, a state that follows is the next step's.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    follows: NDArray[np.int64]


class Given(NamedTuple):
    """What derivatives are taken in: payoffs [K, A], parameters [R, 12], first attractions [S, A]."""

    table: NDArray[Any]
    theta: NDArray[Any]
    first: NDArray[Any]


def follow(
    options: Options, steps: Steps, given: Given, weight: NDArray[np.float64], gradient: bool
) -> tuple[NDArray[Any], Given]:
    """Log probabilities of the decisions and the gradient of their weighted sum.

    A row of the table that only one sequence uses has that sequence's gradient alone: repeat rows for scores.

    Args:
        options, steps, given: see there; arrays contiguous, floats all float64 or all complex128.
        weight: [n]; 0 where a decision is not scored. With `gradient` sequences of weight 0 are passed over.
        gradient: whether to come back.

    Returns:
        [n] log probabilities, 0 where not scored; gradients in the shapes of `given` (zero without `gradient`).
    """
    num, width, kind = len(steps.columns), given.table.shape[1], given.table.dtype
    values = np.zeros(num, kind)
    slopes = Given(*(np.zeros_like(part) for part in given))
    longest, states = int(np.diff(steps.starts).max(initial=1)), len(given.first)
    memory, tape = np.zeros((5, states, width), kind), np.zeros((4, longest, width), kind)
    stamp, scratch = np.full(states, -1), np.zeros((8, width), kind)
    _followed(options, *steps, *given, weight, gradient, values, *slopes, memory, stamp, tape, scratch)
    return values, slopes


@njit(**FLAGS, cache=True)
def _followed(  # type: ignore[no-untyped-def]
    options, starts, steps, follows, table, theta, first, weight, gradient,
    values, of_table, of_theta, of_first, memory, stamp, tape, scratch,
):  # fmt: skip
    """See `follow`, which makes room for what is written. `stamp` [S]: the sequence that a state's memory is of."""
    waits = options.value == CHOSEN  # what a choice has led to shows only with the next one
    for sequence in range(len(starts) - 1):
        low, high = starts[sequence], starts[sequence + 1]
        if gradient and not _any(weight, low, high):
            continue
        for k in range(low, high):
            if steps[k, STATE] < 0:
                continue
            _touch(k, sequence, options, steps, follows, theta, first, memory, stamp)
            if weight[k] != 0 or options.by >= GRADIENT:
                log_prob = _choose(k, low, options, steps, theta, memory, tape, scratch)
                if weight[k] != 0:
                    values[k] = log_prob
            for round_ in range(k - 1 if waits and k > low else k, k + 1):
                if not waits or (round_ < k) == (follows[round_, 0] >= 0):
                    _learn(round_, low, options, steps, follows, table, theta, memory, tape, scratch)
            memory[COUNTS, steps[k, STATE], steps[k, ACTION]] += 1
        if not gradient:
            continue
        later = 0 * table[0, 0]  # what later baselines owe to each own payoff before
        for k in range(high - 1, low - 1, -1):
            if steps[k, STATE] < 0:
                continue
            memory[COUNTS, steps[k, STATE], steps[k, ACTION]] -= 1
            for j in range(steps[k, COUNT]):
                scratch[OF_PROB, j] = 0
            for round_ in range(k, (k - 1 if waits and k > low else k) - 1, -1):
                if not waits or (round_ < k) == (follows[round_, 0] >= 0):
                    later = _unlearn(
                        round_,
                        low,
                        options,
                        steps,
                        follows,
                        table,
                        theta,
                        of_table,
                        of_theta,
                        memory,
                        tape,
                        scratch,
                        later,
                    )
            if weight[k] != 0 or options.by >= GRADIENT:
                _unchoose(k, low, weight[k], options, steps, theta, of_theta, memory, tape, scratch)
        _hand_over(low, high, sequence, options, steps, follows, of_theta, of_first, memory, stamp)


@inner
def _any(weight, low, high):  # type: ignore[no-untyped-def]
    found = False
    for k in range(low, high):
        found |= weight[k] != 0
    return found


@inner
def _touch(k, sequence, options, steps, follows, theta, first, memory, stamp):  # type: ignore[no-untyped-def]
    """Memory of a state not met before in this sequence."""
    for place in range(-1, follows.shape[1]):
        state = steps[k, STATE] if place < 0 else follows[k, place]
        if state >= 0 and stamp[state] != sequence:
            stamp[state] = sequence
            for j in range(memory.shape[2]):
                memory[ATTRACTION, state, j] = first[state, j]
                memory[COUNTS, state, j] = 0
                memory[BACK, state, j] = 0
                if options.moving:
                    memory[EXPERIENCE, state, j] = theta[steps[k, LEARNER], INITIAL]
                    memory[BACK_EXPERIENCE, state, j] = 0


@inner
def _hand_over(low, high, sequence, options, steps, follows, of_theta, of_first, memory, stamp):  # type: ignore[no-untyped-def]
    """What the first memory of each state met owes."""
    for k in range(low, high):
        for place in range(-1, follows.shape[1]):
            state = steps[k, STATE] if place < 0 or steps[k, STATE] < 0 else follows[k, place]
            if state >= 0 and stamp[state] == sequence:
                stamp[state] = -1
                for j in range(memory.shape[2]):
                    of_first[state, j] += memory[BACK, state, j]
                    if options.moving:
                        of_theta[steps[k, LEARNER], INITIAL] += memory[BACK_EXPERIENCE, state, j]


# Choice


@inner
def _exploration(options, theta, row, time):  # type: ignore[no-untyped-def]
    if options.falls == LINEAR:
        left = 1 - time / theta[row, ROUNDS]
        return theta[row, EXPLORATION] * left if left.real > 0 else 0 * left
    if options.falls == EXPONENTIAL:
        fading = np.exp(-time / theta[row, ROUNDS])
        return theta[row, FLOOR] + (theta[row, EXPLORATION] - theta[row, FLOOR]) * fading
    return theta[row, EXPLORATION]


@inner
def _unexplore(options, theta, of_theta, row, time, back):  # type: ignore[no-untyped-def]
    """Adjoint of `_exploration`."""
    rounds, start = theta[row, ROUNDS], theta[row, EXPLORATION]
    if options.falls == LINEAR:
        left = 1 - time / rounds
        if left.real > 0:
            of_theta[row, EXPLORATION] += back * left
            of_theta[row, ROUNDS] += back * start * time / (rounds * rounds)
    elif options.falls == EXPONENTIAL:
        fading = np.exp(-time / rounds)
        of_theta[row, EXPLORATION] += back * fading
        of_theta[row, FLOOR] += back * (1 - fading)
        of_theta[row, ROUNDS] += back * (start - theta[row, FLOOR]) * fading * time / (rounds * rounds)
    else:
        of_theta[row, EXPLORATION] += back


@inner
def _visits(memory, state):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(memory.shape[2]):
        total += memory[COUNTS, state, j].real
    return total


@inner
def _width(memory, state, j):  # type: ignore[no-untyped-def]
    """Of the bonus."""
    visits, count = _visits(memory, state), memory[COUNTS, state, j].real
    return np.sqrt(np.log(max(visits, 1.0)) / count) if count > 0 else np.sqrt(np.log(visits + 1) / UNTRIED)


@inner
def _softplus(x):  # type: ignore[no-untyped-def]
    return x + np.log(1 + np.exp(-x)) if x.real > 0 else np.log(1 + np.exp(x))


@inner
def _respond(options, precision, total, at, count, probs, to):  # type: ignore[no-untyped-def]
    """Probabilities before exploration, into probs[to], from attractions total[at]. Returns the logarithm of what they
    are divided by, for logit choice."""
    top = 0.0
    whole = 0 * precision
    if options.by_regret:
        for j in range(count):
            probs[to, j] = _softplus(precision * total[at, j]) + INDIFFERENCE
            whole += probs[to, j]
    else:
        top = (precision * total[at, 0]).real
        for j in range(1, count):
            top = max(top, (precision * total[at, j]).real)
        for j in range(count):
            probs[to, j] = np.exp(precision * total[at, j] - top)
            whole += probs[to, j]
    for j in range(count):
        probs[to, j] /= whole
    return np.log(whole) + top


@inner
def _totals(k, steps, theta, memory, scratch):  # type: ignore[no-untyped-def]
    """Attractions with bonus and habit, into scratch."""
    row, state = steps[k, LEARNER], steps[k, STATE]
    for j in range(steps[k, COUNT]):
        scratch[TOTAL, j] = memory[ATTRACTION, state, j]
        if theta[row, BONUS] != 0:
            scratch[TOTAL, j] += theta[row, BONUS] * _width(memory, state, j)
    if steps[k, LAST] >= 0:
        scratch[TOTAL, steps[k, LAST]] += theta[row, HABIT]


@inner
def _plain(k, options, steps, theta, exploration):  # type: ignore[no-untyped-def]
    """Neither exploration nor inertia: no detour through exp and log, which would lose small probabilities."""
    still = steps[k, LAST] < 0 or theta[steps[k, LEARNER], INERTIA] == 0
    return not options.mixes or (exploration == 0 and still)


@inner
def _choose(k, low, options, steps, theta, memory, tape, scratch):  # type: ignore[no-untyped-def]
    """Log probability of the action taken; probabilities before exploration go on the tape."""
    _totals(k, steps, theta, memory, scratch)
    row, action, count = steps[k, LEARNER], steps[k, ASKED], steps[k, COUNT]
    precision = theta[row, PRECISION]
    normaliser = _respond(options, precision, scratch, TOTAL, count, tape[PROB], k - low)
    exploration = _exploration(options, theta, row, steps[k, TIME])
    prob = tape[PROB, k - low, action]
    if _plain(k, options, steps, theta, exploration):
        return np.log(prob) if options.by_regret else precision * scratch[TOTAL, action] - normaliser
    chance = (1 - exploration) * prob + exploration / count
    if steps[k, LAST] >= 0:
        kept = 1.0 if steps[k, LAST] == action else 0.0
        chance = (1 - theta[row, INERTIA]) * chance + theta[row, INERTIA] * kept
    return np.log(chance)


@inner
def _unchoose(k, low, weight, options, steps, theta, of_theta, memory, tape, scratch):  # type: ignore[no-untyped-def]
    """Adjoint of `_choose`, and of what learning took from the choice probabilities."""
    _totals(k, steps, theta, memory, scratch)
    row, state, action, count = steps[k, LEARNER], steps[k, STATE], steps[k, ASKED], steps[k, COUNT]
    precision, place = theta[row, PRECISION], k - low
    exploration = _exploration(options, theta, row, steps[k, TIME])
    plain = _plain(k, options, steps, theta, exploration)
    if not plain and weight != 0:
        chance = (1 - exploration) * tape[PROB, place, action] + exploration / count
        moved = 1 + 0 * chance
        if steps[k, LAST] >= 0:
            kept = 1.0 if steps[k, LAST] == action else 0.0
            moved = 1 - theta[row, INERTIA]
            whole = moved * chance + theta[row, INERTIA] * kept
            of_theta[row, INERTIA] += weight * (kept - chance) / whole
            chance = whole
        scratch[OF_PROB, action] += weight * moved / chance
    mean, of_exploration = 0 * exploration, 0 * exploration
    for j in range(count):
        of_exploration += scratch[OF_PROB, j] * (1.0 / count - tape[PROB, place, j])
        scratch[OF_PROB, j] *= 1 - exploration
        mean += scratch[OF_PROB, j] * tape[PROB, place, j]
    if options.mixes:
        _unexplore(options, theta, of_theta, row, steps[k, TIME], of_exploration)
    directly = weight if plain else 0.0
    for j in range(count):
        prob, own = tape[PROB, place, j], 1.0 if j == action else 0.0
        # Divided by its probability, what plain choice owes is a difference that keeps its digits.
        raw = prob * (scratch[OF_PROB, j] - mean) + directly * (own - prob)
        if options.by_regret:  # slope of log softplus instead of 1
            x = precision * scratch[TOTAL, j]
            raw /= (_softplus(x) + INDIFFERENCE) * (1 + np.exp(-x))
        of_theta[row, PRECISION] += raw * scratch[TOTAL, j]
        raw *= precision
        memory[BACK, state, j] += raw
        if theta[row, BONUS] != 0:
            of_theta[row, BONUS] += raw * _width(memory, state, j)
        if j == steps[k, LAST]:
            of_theta[row, HABIT] += raw


# The value of the next state


@inner
def _best(memory, state, count):  # type: ignore[no-untyped-def]
    best = 0
    for j in range(1, count):
        if memory[ATTRACTION, state, j].real > memory[ATTRACTION, state, best].real:
            best = j
    return best


@inner
def _value(k, state, options, steps, theta, memory, scratch):  # type: ignore[no-untyped-def]
    """V of a state after round k."""
    row, count = steps[k, LEARNER], steps[k, COUNT]
    if options.value != MEAN:
        j = steps[k + 1, ACTION] if options.value == CHOSEN else _best(memory, state, count)
        return memory[ATTRACTION, state, j]
    _respond(options, theta[row, PRECISION], memory[ATTRACTION], state, count, scratch, NEXT_PROB)
    exploration = _exploration(options, theta, row, steps[k, TIME] + 1)
    value = 0 * exploration
    for j in range(count):
        value += ((1 - exploration) * scratch[NEXT_PROB, j] + exploration / count) * memory[ATTRACTION, state, j]
    return value


@inner
def _unvalue(k, state, back, options, steps, theta, of_theta, memory, scratch):  # type: ignore[no-untyped-def]
    """Adjoint of `_value`, right after it."""
    row, count = steps[k, LEARNER], steps[k, COUNT]
    if options.value != MEAN:
        j = steps[k + 1, ACTION] if options.value == CHOSEN else _best(memory, state, count)
        memory[BACK, state, j] += back
        return
    exploration = _exploration(options, theta, row, steps[k, TIME] + 1)
    mean, plain = 0 * exploration, 0 * exploration
    for j in range(count):
        mean += scratch[NEXT_PROB, j] * memory[ATTRACTION, state, j]
        plain += memory[ATTRACTION, state, j] / count
    for j in range(count):
        chance = (1 - exploration) * scratch[NEXT_PROB, j]
        tilt = chance * (memory[ATTRACTION, state, j] - mean)
        of_theta[row, PRECISION] += back * tilt * memory[ATTRACTION, state, j]
        memory[BACK, state, j] += back * (tilt * theta[row, PRECISION] + chance + exploration / count)
    _unexplore(options, theta, of_theta, row, steps[k, TIME] + 1, back * (plain - mean))


# Learning


@inner
def _payoff(k, j, steps, table):  # type: ignore[no-untyped-def]
    return table[steps[k, ROW], j] if steps[k, LESSON] == LEARN else 0 * table[0, 0]


@inner
def _following(k, j, steps, follows):  # type: ignore[no-untyped-def]
    """The state that own action j leads to, -1 if none or if nobody asks."""
    if follows.shape[1] > 1:
        return follows[k, j]
    return follows[k, 0] if j == steps[k, ACTION] else -1


@inner
def _baseline(place, tape, own):  # type: ignore[no-untyped-def]
    """Mean own payoff before; the first round has nothing to compare with."""
    return tape[OWN, place - 1, 0] / place if place > 0 else own


@inner
def _teach(k, low, options, steps, follows, table, theta, memory, tape, scratch):  # type: ignore[no-untyped-def]
    """Gain and what is added, into scratch: means over the block that ends with round k."""
    row, count, block = steps[k, LEARNER], steps[k, COUNT], options.block
    forgone, mean_own = theta[row, FORGONE], 0 * theta[row, FORGONE]
    for j in range(count):
        scratch[GAIN, j] = 0
        scratch[ADDED, j] = 0
    for round_ in range(k - block + 1, k + 1):
        action = steps[round_, ACTION]
        own = _payoff(round_, action, steps, table)
        if options.by >= GRADIENT:
            scratch[GAIN, action] += 1.0 / block
            scratch[ADDED, action] += own / block
            mean_own += own / block
            continue
        for j in range(count):
            share = 1.0 + 0 * forgone if j == action else forgone
            if share != 0:
                target = _payoff(round_, j, steps, table)
                following = _following(round_, j, steps, follows)
                if options.by == REGRET:
                    target -= own
                elif following >= 0:
                    target += theta[row, DISCOUNT] * _value(round_, following, options, steps, theta, memory, scratch)
                scratch[GAIN, j] += share / block
                scratch[ADDED, j] += share * target / block
    if options.by == GRADIENT and block > 1:
        for j in range(count):
            scratch[ADDED, j] -= mean_own * scratch[GAIN, j]
    elif options.by >= GRADIENT:
        exploration, place, action = _exploration(options, theta, row, steps[k, TIME]), k - low, steps[k, ACTION]
        better = mean_own - _baseline(place, tape, mean_own)
        for j in range(count):
            chance = (1 - exploration) * tape[PROB, place, j] + exploration / count
            if options.by == IMPORTANCE:
                scratch[ADDED, j] /= chance
            else:
                scratch[ADDED, j] = better * ((1.0 if j == action else 0.0) - chance)


@inner
def _learn(k, low, options, steps, follows, table, theta, memory, tape, scratch):  # type: ignore[no-untyped-def]
    if steps[k, LESSON] == SKIP:
        return
    place, state, row = k - low, steps[k, STATE], steps[k, LEARNER]
    if options.by == GRADIENT:
        before = tape[OWN, place - 1, 0] if place > 0 else 0 * table[0, 0]
        tape[OWN, place, 0] = before + _payoff(k, steps[k, ACTION], steps, table)
    if options.block > 1 and (place + 1) % options.block:
        return
    _teach(k, low, options, steps, follows, table, theta, memory, tape, scratch)
    phi = 1 - theta[row, RATE]
    rho = phi * (1 - theta[row, CUMULATION])
    for j in range(steps[k, COUNT]):
        gain, added, before = scratch[GAIN, j], scratch[ADDED, j], memory[ATTRACTION, state, j]
        tape[BEFORE, place, j] = before
        kept = phi if options.all_forget else 1 - gain * (1 - phi)
        if options.moving:
            experience = memory[EXPERIENCE, state, j]
            tape[BEFORE_EXPERIENCE, place, j] = experience
            after = rho * experience + 1 if options.all_forget else (1 - gain * (1 - rho)) * experience + gain
            memory[EXPERIENCE, state, j] = after
            memory[ATTRACTION, state, j] = (kept * experience * before + added) / after
        else:
            memory[ATTRACTION, state, j] = kept * before + added * (1 - rho)


@inner
def _unlearn(  # type: ignore[no-untyped-def]
    k, low, options, steps, follows, table, theta, of_table, of_theta, memory, tape, scratch, later
):
    """Adjoint of `_learn`, after which memory is what it was before it. Returns what earlier own payoffs are owed."""
    if steps[k, LESSON] == SKIP or (options.block > 1 and (k - low + 1) % options.block):
        return later
    place, row, state, count = k - low, steps[k, LEARNER], steps[k, STATE], steps[k, COUNT]
    for j in range(count):
        scratch[TOTAL, j] = memory[ATTRACTION, state, j]
        memory[ATTRACTION, state, j] = tape[BEFORE, place, j]
        if options.moving:
            scratch[NOW_EXPERIENCE, j] = memory[EXPERIENCE, state, j]
            memory[EXPERIENCE, state, j] = tape[BEFORE_EXPERIENCE, place, j]
    _teach(k, low, options, steps, follows, table, theta, memory, tape, scratch)
    phi = 1 - theta[row, RATE]
    rho = phi * (1 - theta[row, CUMULATION])
    of_phi, of_rho = 0 * phi, 0 * phi
    for j in range(count):
        gain, added = scratch[GAIN, j], scratch[ADDED, j]
        before, back = memory[ATTRACTION, state, j], memory[BACK, state, j]
        kept = phi if options.all_forget else 1 - gain * (1 - phi)
        scratch[OF_GAIN, j] = 0
        if options.moving:
            experience, after = memory[EXPERIENCE, state, j], scratch[NOW_EXPERIENCE, j]
            owed = back / after
            of_after = memory[BACK_EXPERIENCE, state, j] - owed * scratch[TOTAL, j]
            of_kept = owed * experience * before
            lasting = rho if options.all_forget else 1 - gain * (1 - rho)
            memory[BACK_EXPERIENCE, state, j] = owed * kept * before + of_after * lasting
            memory[BACK, state, j] = owed * kept * experience
            scratch[OF_ADDED, j] = owed
            if options.all_forget:
                of_rho += of_after * experience
            else:
                of_rho += of_after * experience * gain
                scratch[OF_GAIN, j] += of_after * (1 - experience * (1 - rho))
        else:
            scratch[OF_ADDED, j] = back * (1 - rho)
            of_rho -= back * added
            of_kept = back * before
            memory[BACK, state, j] = back * kept
        if options.all_forget:
            of_phi += of_kept
        else:
            of_phi += of_kept * gain
            scratch[OF_GAIN, j] -= of_kept * (1 - phi)
    of_theta[row, RATE] -= of_phi + of_rho * (1 - theta[row, CUMULATION])
    of_theta[row, CUMULATION] -= of_rho * phi
    if options.by >= GRADIENT:
        return _unteach_policy(k, low, options, steps, table, theta, of_table, tape, scratch, later)
    _unteach(k, options, steps, follows, table, theta, of_table, of_theta, memory, scratch)
    return later


@inner
def _unteach(k, options, steps, follows, table, theta, of_table, of_theta, memory, scratch):  # type: ignore[no-untyped-def]
    """Adjoint of `_teach` in payoffs, discount, the forgone weight and the next state's attractions."""
    row, block = steps[k, LEARNER], options.block
    forgone, discount = theta[row, FORGONE], theta[row, DISCOUNT]
    for round_ in range(k - block + 1, k + 1):
        action = steps[round_, ACTION]
        for j in range(steps[k, COUNT]):
            share = 1.0 + 0 * forgone if j == action else forgone
            back = share * scratch[OF_ADDED, j] / block
            target = _payoff(round_, j, steps, table)
            following = _following(round_, j, steps, follows)
            if options.by == REGRET:
                target -= _payoff(round_, action, steps, table)
            elif following >= 0:
                value = _value(round_, following, options, steps, theta, memory, scratch)
                target += discount * value
                of_theta[row, DISCOUNT] += back * value
                _unvalue(round_, following, back * discount, options, steps, theta, of_theta, memory, scratch)
            if j != action:
                of_theta[row, FORGONE] += (scratch[OF_GAIN, j] + scratch[OF_ADDED, j] * target) / block
            if steps[round_, LESSON] == LEARN:
                of_table[steps[round_, ROW], j] += back
                if options.by == REGRET:
                    of_table[steps[round_, ROW], action] -= back


@inner
def _unteach_policy(k, low, options, steps, table, theta, of_table, tape, scratch, later):  # type: ignore[no-untyped-def]
    """Adjoint of `_teach` where own payoffs move attractions by the choice probabilities."""
    row, count, block, action, place = steps[k, LEARNER], steps[k, COUNT], options.block, steps[k, ACTION], k - low
    if block > 1:
        mean = 0 * later
        for j in range(count):
            mean += scratch[GAIN, j] * scratch[OF_ADDED, j]
        for round_ in range(k - block + 1, k + 1):
            if steps[round_, LESSON] == LEARN:
                taken = steps[round_, ACTION]
                of_table[steps[round_, ROW], taken] += (scratch[OF_ADDED, taken] - mean) / block
        return later
    exploration = _exploration(options, theta, row, steps[k, TIME])
    own = _payoff(k, action, steps, table)
    of_own = 0 * later
    better = own - _baseline(place, tape, own)
    for j in range(count):
        chance, taken, owed = (
            (1 - exploration) * tape[PROB, place, j] + exploration / count,
            j == action,
            scratch[OF_ADDED, j],
        )
        if options.by == GRADIENT:
            of_own += owed * ((1.0 if taken else 0.0) - chance)
            scratch[OF_PROB, j] -= owed * better
        elif taken:
            of_own += owed / chance
            scratch[OF_PROB, j] -= owed * own / (chance * chance)
    debt = later
    if options.by == GRADIENT and place > 0:
        later -= of_own / place
    elif options.by == GRADIENT:
        of_own *= 0
    if steps[k, LESSON] == LEARN:
        of_table[steps[k, ROW], action] += of_own + debt
    return later
