"""What each agent would have gained by other rules, as linear functions of its payoffs.

For agent i, rounds t in which it chose, and a condition z_t that the rule may look at:

    gain(z, b) = 1/T sum over t with z_t = z of [u_i(b, others_t) - u_i(a_t, others_t)]
    regret     = sum over z of max over b of gain(z, b)          ("internal": max over z too)

    external        z constant: the best fixed action in hindsight
    swap, internal  z the own action: "whenever I played a I should have played b", every a together or the worst one
    last_profile    z what all did in the round before
    episode         z the episode: the best fixed action of each
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, diags_array, eye_array, kron

from diml_envs.traces import MISSING, Traces
from diml_inverse.bounds.form import Form

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Condition = str | ArrayLike | Callable[[Traces], ArrayLike]

AGAINST = ("external", "internal", "swap", "last_profile", "episode")


class NothingToJudge(ValueError):
    """A play without a single choice whose gains are known."""


@dataclass(frozen=True)
class Regret:
    """gain = matrix theta + offset, [M] of them.

    Attributes:
        matrix: [M, P].
        offset: [M].
        agent, term, action: of each gain, int64 [M]. Terms (values of the condition) are numbered through all agents.
        worst_term: regret is the largest gain of all terms, rather than the sum over terms of the largest.
        decisions: how many were counted, [N].
    """

    matrix: csr_array
    offset: FloatArray
    agent: IntArray
    term: IntArray
    action: IntArray
    worst_term: bool
    decisions: IntArray

    def at(self, theta: FloatArray) -> FloatArray:
        """Regret of each agent at these parameters, [N]; NaN of an agent that never chose."""
        gains = self.matrix @ theta + self.offset
        of_term = np.full(int(self.term.max(initial=-1)) + 1, -np.inf)
        np.maximum.at(of_term, self.term, gains)
        agent = np.zeros(len(of_term), np.int64)
        agent[self.term] = self.agent
        total = np.full(len(self.decisions), -np.inf) if self.worst_term else np.zeros(len(self.decisions))
        (np.maximum if self.worst_term else np.add).at(total, agent, of_term)
        return np.where(self.decisions > 0, total, np.nan)


def gains(
    form: Form,
    traces: Traces,
    against: Condition = "external",
    exploration: ArrayLike = 0.0,
    episode_weights: ArrayLike | None = None,
) -> Regret:
    """The gains of a play, per round.

    Args:
        form: of the payoffs, `affine_form(mechanism, traces)`.
        traces: the play.
        against: a name of `AGAINST`; or what a rule may look at: whole numbers [E, T] or [E, T, N], or a function of
            the traces that gives them. Negative: the choice is not counted.
        exploration: probability that a choice was made uniformly at random whatever was learnt, a number or
            broadcasting to [E, T, N]. Its part is taken out: what is judged is the rest of the play, estimated without
            bias by (1{a_t = a} - exploration / A) for each action a, per round not explored.
        episode_weights: how often each episode counts, [E]; default once.

    Raises:
        ValueError: an unknown name, a condition of another shape, or exploration outside [0, 1).
        NothingToJudge: nobody ever chose, or never while what all the others did was seen; a ValueError too.
    """
    condition = _condition(traces, against)
    share = np.broadcast_to(np.asarray(exploration, float), traces.actions.shape)
    if not ((share >= 0) & (share < 1)).all():
        raise ValueError("exploration must be at least 0 and below 1 in every round; leave out rounds of pure chance")
    weights = np.ones(len(traces)) if episode_weights is None else np.asarray(episode_weights, float)
    counted = counted_decisions(traces) & (form.index != MISSING) & (condition >= 0)
    if not counted.any():
        raise NothingToJudge("no choice can be judged: none was observed together with what all the others did")
    episode, round_, agent = np.nonzero(counted)
    place = (episode, round_, agent)
    pairs, term = np.unique(agent * (condition.max() + 1) + condition[place], return_inverse=True)
    owner = pairs // (condition.max() + 1)
    rest = weights[episode] * (1 - share[place])
    total = np.bincount(agent, rest, traces.num_agents)
    scale = 1 / np.where(total > 0, total, 1)[agent]
    selection = _selection(
        form, term, form.index[place], traces.actions[place], weights[episode] * scale, share[place], owner, traces
    )
    counts = np.array(traces.action_counts)
    exists = (np.arange(form.num_actions) < counts[owner][:, None]).reshape(-1)
    kept = np.flatnonzero(exists)
    selection = selection[kept]
    return Regret(
        csr_array(selection @ form.matrix),
        selection @ form.offset,
        owner[kept // form.num_actions],
        kept // form.num_actions,
        kept % form.num_actions,
        isinstance(against, str) and against == "internal",
        np.bincount(agent, minlength=traces.num_agents),
    )


def counted_decisions(traces: Traces) -> NDArray[np.bool_]:
    """bool [E, T, N]: a choice that was seen, and not a given move."""
    return traces.observed & traces.followed[:, None]


def _selection(
    form: Form,
    term: IntArray,
    context: IntArray,
    action: IntArray,
    weight: FloatArray,
    share: FloatArray,
    owner: IntArray,
    traces: Traces,
) -> csr_array:
    """[Z A, K A]: the gain of each term and action out of the payoffs of each context and action."""
    contexts, own = form.matrix.shape[0] // form.num_actions, form.num_actions
    shape = (len(owner), contexts)
    met = csr_array((weight * (1 - share), (term, context)), shape=shape)
    chosen = csr_array((weight, (term, context * own + action)), shape=(shape[0], contexts * own))
    explored = diags_array(1 / np.array(traces.action_counts)[owner]) @ csr_array(
        (weight * share, (term, context)), shape=shape
    )
    rest = chosen - kron(explored, np.ones((1, own)), "csr")
    return csr_array(kron(met, eye_array(own), "csr") - kron(rest, np.ones((own, 1)), "csr"))


def _condition(traces: Traces, against: Condition) -> IntArray:
    if isinstance(against, str):
        if against not in AGAINST:
            raise ValueError(f"regret against {against!r} is not known; {', '.join(AGAINST)}, or numbers [E, T, N]")
        return np.broadcast_to(_NAMED[against](traces), traces.actions.shape)
    values = np.asarray(against(traces) if callable(against) else against)
    if values.shape == traces.actions.shape[:2]:
        values = values[..., None]
    if values.dtype.kind not in "iub" or values.ndim != 3 or values.shape[:2] != traces.actions.shape[:2]:
        raise ValueError(
            f"a condition must be whole numbers of shape [E, T] or [E, T, N], {list(traces.actions.shape)}; got "
            f"{values.dtype} of shape {list(values.shape)}"
        )
    return np.broadcast_to(values.astype(np.int64), traces.actions.shape)


def _last_profile(traces: Traces) -> IntArray:
    """[E, T, 1]: number of the profile of the round before; round 0 has one of its own, unseen ones are not counted."""
    before = traces.actions[:, :-1]
    distinct, place = np.unique(before.reshape(-1, traces.num_agents), axis=0, return_inverse=True)
    known = (distinct != MISSING).all(1)
    numbers = np.where(known, np.cumsum(known), MISSING)[place].reshape(before.shape[:2])
    return np.pad(numbers, ((0, 0), (1, 0)))[..., None]


_NAMED: dict[str, Callable[[Traces], IntArray]] = {
    "external": lambda traces: np.zeros((1, 1, 1), np.int64),
    "internal": lambda traces: traces.actions,
    "swap": lambda traces: traces.actions,
    "last_profile": _last_profile,
    "episode": lambda traces: np.arange(len(traces))[:, None, None],
}
