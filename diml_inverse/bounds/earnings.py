"""One answer without a model of learning: the payoffs under which the play earned most."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, hstack
from scipy.sparse.linalg import lsqr

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import MISSING, Traces
from diml_inverse.bounds.form import Form, affine_form
from diml_inverse.bounds.payoff_set import context_lines
from diml_inverse.bounds.regret import NothingToJudge, counted_decisions

FloatArray = NDArray[np.float64]


def best_earning(traces: Traces, mechanism: Mechanism | None = None) -> Mechanism:
    """The payoffs, among all of one size, under which the agents earned most above choosing at random.

    With c the payoffs less their mean over own actions, earned above chance are sum_t c(a_t | others_t), and the size
    of payoffs is the sum over rounds of |c|^2. The most for a size has the direction of the least squares

        min over c of  sum_t |c(. | others_t) - (1{a_t = .} - 1/A)|^2

    so free payoffs are how often each action was chosen against what the others did, less 1/A. In other words the
    regret against chance is least. Regret against fixed actions may be larger than at other payoffs.

    Args:
        traces: the play.
        mechanism: the form, as in `payoff_bounds`; default a free payoff for every joint action. Left as it is.

    Returns:
        Payoffs whose largest difference in the play is 1, or in the unit of what the form takes as known; 0 where the
        play says nothing.

    Raises:
        NothingToJudge: no choice was seen together with what the others did.
        ValueError: payoffs that are not affine; known payoffs under which play earned no more than chance.
    """
    form = affine_form(TabularMechanism(traces.action_counts) if mechanism is None else mechanism, traces)
    payoffs, offset, target = _weighted(form, traces)
    if not offset.any():
        theta = _least_squares(payoffs, target)
        return copy.deepcopy(form.at(theta / (_largest_difference(form, theta) or 1.0))).requires_grad_(False)
    found = _least_squares(hstack([payoffs, csr_array(offset[:, None])], format="csr"), target)
    if found[-1] <= 0:
        raise ValueError("under what the form takes as known the play earned no more than chance")
    return copy.deepcopy(form.at(found[:-1] / found[-1])).requires_grad_(False)


def _weighted(form: Form, traces: Traces) -> tuple[csr_array, FloatArray, FloatArray]:
    """Centred payoffs of each context and action, and choices less 1/A, all by the root of the visits."""
    counted = counted_decisions(traces) & (form.index != MISSING)
    if not counted.any():
        raise NothingToJudge("no choice can be judged: none was observed together with what all the others did")
    chosen = np.bincount(form.index[counted] * form.num_actions + traces.actions[counted], minlength=len(form.offset))
    lines, exists = context_lines(form, list(range(traces.num_agents)))
    visits, count = chosen[lines].sum(1), exists.sum(1)
    row, used = np.nonzero(exists)[0], lines[exists]
    same = csr_array((1 / count[row], (np.arange(len(row)), row)), shape=(len(row), len(lines)))
    pick = csr_array((np.ones(len(row)), (np.arange(len(row)), used)), shape=(len(row), len(form.offset)))
    total = csr_array((np.ones(len(row)), (row, used)), shape=(len(lines), len(form.offset)))
    centred = diags_array(np.sqrt(visits[row])) @ (pick - same @ total)
    target = (chosen[used] / np.maximum(visits[row], 1) - 1 / count[row]) * np.sqrt(visits[row])
    return csr_array(centred @ form.matrix), centred @ form.offset, target


def _least_squares(matrix: csr_array, target: FloatArray) -> FloatArray:
    """Of least length where there are several."""
    found: FloatArray = lsqr(matrix, target, atol=1e-12, btol=1e-12, iter_lim=10 * sum(matrix.shape))[0]
    return found


def _largest_difference(form: Form, theta: FloatArray) -> float:
    lines, exists = context_lines(form, list(range(form.mechanism.num_agents)))
    values = (form.matrix @ theta)[lines]
    return float((np.where(exists, values, -np.inf).max(1) - np.where(exists, values, np.inf).min(1)).max())
