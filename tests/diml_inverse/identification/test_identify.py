"""What is identified, against dense Jacobians and ranks; and what games by hand must give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_definitions import random_traces

from diml_envs import Traces
from diml_envs.mechanisms import (
    AnonymousMechanism,
    CongestionMechanism,
    NeuralMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    TabularMechanism,
)
from diml_inverse import AttractionDynamics, Dynamics, LogitDynamics, identify
from diml_inverse.identification.free_payoffs import FreePayoffs
from diml_inverse.likelihood import log_choice_probs, observe
from diml_inverse.uncertainty import expected as information_module
from diml_inverse.uncertainty.expected import EVERYONE, expected_information
from diml_inverse.uncertainty.fitted import Fitted

FULL = LogitDynamics(0.3, 2.0, 0.05)
OWN = AttractionDynamics(0.3, forgone_weight=0.0, precision=2.0, exploration=0.05, forgets="updated")
LEARNERS: dict[str, Dynamics] = {
    "full feedback": FULL,
    "own feedback": OWN,
    "own feedback, all forget": AttractionDynamics(0.3, forgone_weight=0.0, precision=2.0),
    "regret": AttractionDynamics(0.3, by="regret", choice="regret", precision=2.0),
    "fitted": AttractionDynamics(0.3, 0.6, precision=2.0, exploration=0.05, fit=("learning_rate", "forgone_weight")),
    "precision fitted": LogitDynamics(0.3, 2.0, 0.05, fit=("precision", "exploration")),
    "each agent's own": AttractionDynamics([0.2, 0.4], precision=[1.0, 2.0], fit=("learning_rate", "precision")),
}


def game(counts: list[int], seed: int = 0) -> TabularMechanism:
    return TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(*counts, len(counts))) / 2)


def dense_information(fitted: Fitted, traces: Traces) -> torch.Tensor:
    """Slope of every log probability in every parameter, one number after the other."""
    play = observe(fitted.mechanism, fitted.dynamics, traces)
    log_probs = log_choice_probs(fitted.mechanism, fitted.dynamics, play)
    information = torch.zeros(fitted.size, fitted.size, dtype=torch.float64)
    for place in play.scored.nonzero().tolist():
        for log_prob in log_probs[tuple(place)]:
            if log_prob.isfinite():
                parts = torch.autograd.grad(log_prob, fitted.parameters, retain_graph=True, materialize_grads=True)
                slope = torch.cat([part.reshape(-1) for part in parts])
                information += log_prob.detach().exp() * torch.outer(slope, slope)
    return information


@pytest.mark.parametrize("learners", LEARNERS)
def test_information_is_that_of_every_probability_differentiated_alone(
    learners: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces, dynamics = random_traces([2, 3], [6, 4, 5], missing=0.05), LEARNERS[learners]
    names = [name for name, _ in dynamics.named_parameters()]
    free = FreePayoffs(game([2, 3]), traces)
    fitted = Fitted(free, dynamics, names)
    agent_of = torch.cat([free.agent_of, torch.full((fitted.size - len(free.agent_of),), EVERYONE)])
    expected = dense_information(fitted, traces)
    play = observe(free, dynamics, traces)
    torch.testing.assert_close(expected_information(fitted, play), expected)
    torch.testing.assert_close(expected_information(fitted, play, agent_of), expected)
    monkeypatch.setattr(information_module, "MOST_SLOPES", 1)
    torch.testing.assert_close(expected_information(fitted, play, agent_of), expected)


def slow_table(traces: Traces, dynamics: Dynamics, mechanism: TabularMechanism) -> pd.DataFrame:
    """identified by rank, observations by pseudo-inverse; of logit learners of known precision 2, exploration .05."""
    names = [name for name, _ in dynamics.named_parameters()]
    information = dense_information(Fitted(mechanism, dynamics, names), traces).numpy()
    inverse = np.linalg.pinv(information, hermitian=True, rtol=1e-10)
    shape, rows = mechanism.table.shape, []
    for agent, count in enumerate(mechanism.action_counts):
        for profile in np.ndindex(*shape[:-1]):
            if count == 1:
                continue
            slope = np.zeros(len(information))
            for action in range(count):
                place = np.ravel_multi_index((*profile[:agent], action, *profile[agent + 1 :], agent), shape)
                slope[place] = float(action == profile[agent]) - 1 / count
            size = np.sqrt(slope @ slope)
            outside = np.linalg.norm(slope - information @ (inverse @ slope)) / size > 1e-4
            one = (count - 1) / (2.0 * 0.95) ** 2
            others = ";".join(f"agent_{j}={a}" for j, a in enumerate(profile) if j != agent)
            rows.append(
                (f"agent_{agent}", others, profile[agent], not outside, one / (slope @ inverse @ slope + 1e-300))
            )
    table = pd.DataFrame(rows, columns=["agent", "others", "action", "known", "observations"])
    return table.assign(observations=table["observations"].where(table["known"], 0.0))


@st.composite
def plays(draw: st.DrawFn) -> Traces:
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda counts: max(counts) > 1))
    lengths = draw(st.lists(st.integers(2, 6), min_size=1, max_size=3))
    return random_traces(counts, lengths, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.1])))


def scorable(traces: Traces, dynamics: Dynamics) -> bool:
    try:
        observe(TabularMechanism(traces.action_counts), dynamics, traces)
    except ValueError:
        return False
    return True


@settings(max_examples=25)
@given(plays(), st.sampled_from([FULL, OWN]))
def test_ranks_and_observations_are_those_of_dense_matrices(traces: Traces, dynamics: Dynamics) -> None:
    if not scorable(traces, dynamics):
        return
    mechanism = game(list(traces.action_counts))
    found = identify(traces, dynamics, mechanism).table
    expected = slow_table(traces, dynamics, mechanism)
    both = found.merge(expected, on=["agent", "others", "action"], suffixes=("", "_slow"))
    assert len(both) == len(found) == len(expected)
    assert ((both["identified"] == "exactly") == both["known"]).all()
    np.testing.assert_allclose(both["observations"], both["observations_slow"], rtol=1e-4)


def levels(found: pd.DataFrame) -> pd.DataFrame:
    return found[found["what"] == "adding a function of the others' actions to payoffs"]


@settings(max_examples=10)
@given(st.lists(st.integers(2, 3), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_levels_are_gauge_under_full_feedback_and_tell_under_own(counts: list[int], seed: int) -> None:
    """Under full feedback every context that shaped a choice has its level free, and no choice moves with it."""
    traces = random_traces(counts, [8] * 12, seed)
    mechanism = game(counts, seed)
    full, own = (identify(traces, dynamics, mechanism) for dynamics in (FULL, OWN))
    shaped = full.table[full.table["visits"] > 0].groupby("agent")["others"].nunique()
    gauge = levels(full.invariances)
    assert gauge["directions"].tolist() == shaped.tolist()
    assert (gauge["change"] < 1e-6).all()
    assert (gauge["change_elsewhere"] > 1e-3).all()
    assert not full.table["payoff_identified"].any()
    assert (full.spaces["parameters"] - full.spaces["identified"] >= shaped.to_numpy()).all()
    assert levels(own.invariances).empty
    free = [(found.spaces["parameters"] - found.spaces["identified"]).to_numpy() for found in (full, own)]
    assert (free[1] < free[0]).all()
    assert own.table["payoff_identified"].any()


def test_a_context_never_met_is_known_through_structure_only() -> None:
    traces = random_traces([3, 3, 3], [30] * 4)
    actions = traces.actions.copy()
    actions[(actions[..., 1] == 2) & (actions[..., 2] == 2), 2] = 1  # the first agent never meets 2, 2
    traces = Traces(actions, action_labels=traces.action_labels)
    unmet = {"agent": "agent_0", "others": "agent_1=2;agent_2=2"}
    congestion = CongestionMechanism.random(3, 3).double()

    def row(found: pd.DataFrame) -> pd.DataFrame:
        return found[(found[list(unmet)] == pd.Series(unmet)).all(axis=1)]

    freely, formed = (row(identify(traces, FULL, one).table) for one in (game([3, 3, 3]), congestion))
    assert freely["identified"].tolist() == ["no"] * 3
    assert (freely[["visits", "observations", "observations_with_form", "comparable"]] == 0).all(axis=None)
    assert formed["identified"].tolist() == ["structure"] * 3
    assert (formed["observations"] == 0).all()
    assert (formed["observations_with_form"] > 1).all()


def test_where_each_choice_rests_on_one_context_observations_are_visits() -> None:
    """Learning rate 1, no exploration, no differences: choices are even and each speaks of the round before alone."""
    traces = random_traces([3, 2, 2], [20] * 3)
    table = identify(traces, LogitDynamics(1.0, 1.7, 0.0), TabularMechanism([3, 2, 2])).table
    np.testing.assert_allclose(table["observations"], table["visits"])


def test_the_gauge_of_congestion_is_named() -> None:
    congestion = CongestionMechanism.random(3, 3).double()
    found = identify(random_traces([3, 3, 3], [30] * 3), FULL, congestion).invariances
    of_form = found[found["of"] == "mechanism's parameters"]
    named = {frozenset(what.removeprefix("moving ").split(", ")) for what in of_form["what"]}
    assert {frozenset({f"linear_cost[{a}] by +1", f"toll_rate[{a}] by +1"}) for a in range(3)} == named
    assert (of_form["change"] < 1e-6).all()


def test_precision_and_scale_show_as_a_product() -> None:
    traces, fitted = random_traces([2, 3], [20] * 5), LogitDynamics(0.3, 2.0, 0.05, fit=("precision",))
    found, known = (identify(traces, dynamics, game([2, 3])) for dynamics in (fitted, FULL))
    product = found.invariances.set_index("what").loc["multiplying payoffs, dividing the precision by the same"]
    assert product["directions"] == 1
    assert product["change"] < 1e-6 < product["change_elsewhere"]
    assert "units of 1 / precision" in str(found)
    pd.testing.assert_frame_equal(found.table, known.table, rtol=1e-6)
    congestion = identify(random_traces([2, 2], [20] * 5), fitted, CongestionMechanism.random(2, 2).double())
    assert (congestion.invariances["what"] == product.name).sum() == 2


def test_a_policy_gradient_hides_constants_but_not_levels() -> None:
    """A policy gradient compares the payoff with its mean so far: a constant cancels, a level does not."""
    dynamics = AttractionDynamics(0.1, cumulation=1.0, by="gradient", precision=1.0)
    found = identify(random_traces([2, 2], [15] * 6), dynamics, game([2, 2])).invariances
    assert found["what"].tolist() == ["adding a constant to payoffs"] * 2
    assert (found["change"] < 1e-6).all()
    assert (found["change_elsewhere"] > 1e-3).all()


def test_an_action_never_tried_is_not_compared_under_own_feedback() -> None:
    traces = random_traces([3, 2], [40] * 3)
    actions = traces.actions.copy()
    actions[(actions[..., 0] == 2) & (actions[..., 1] == 1), 0] = 0  # never the third action against the other's 1
    found = identify(Traces(actions, action_labels=traces.action_labels), OWN, game([3, 2])).table
    part = found[(found["agent"] == "agent_0") & (found["others"] == "agent_1=1")].set_index("action")
    assert part["identified"].tolist() == ["partly", "partly", "no"]
    assert part["comparable"].tolist() == [1, 1, 0]
    assert part["payoff_identified"].tolist() == [True, True, False]


@pytest.mark.parametrize("counts", [[3], [1, 3], [2, 1, 3]])
def test_one_agent_or_one_action(counts: list[int]) -> None:
    traces = random_traces(counts, [9] * 3, missing=0.1)
    found = identify(traces, FULL, game(counts))
    assert set(found.table["agent"]) == {f"agent_{i}" for i, count in enumerate(counts) if count > 1}
    assert (found.table["identified"] == "exactly").any()
    assert found.plot().axes
    assert "What play identifies" in str(found)


def test_nobody_has_a_choice() -> None:
    found = identify(random_traces([1, 1], [4] * 2), FULL, TabularMechanism([1, 1]))
    assert found.table.empty
    assert "exactly" in str(found)
    assert found.plot()


def test_networks_and_large_games_say_what_was_not_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NeuralMechanism(2, [3, 3], embedding_dim=2, hidden=(4,), seed=1)
    traces = random_traces([3, 3], [12] * 4)
    assert set(identify(traces, FULL, network).table["identified"]) == {"exactly"}
    monkeypatch.setattr(information_module, "MOST_PARAMETERS", 17)
    found = identify(traces, FULL, network)
    assert set(found.table["identified"]) == {"smoothness"}
    assert found.table[["observations", "observations_with_form"]].isna().all(axis=None)
    assert "18 are too many for a matrix of them, at most 17" in str(found)
    assert "not examined" in str(found)
    monkeypatch.setattr(information_module, "MOST_PARAMETERS", 5)
    pairwise = identify(random_traces([3] * 3, [12] * 4), FULL, PairwiseMechanism(3, 3).double())
    assert set(pairwise.table["identified"]) == {"unknown"}
    assert found.plot().axes


def test_a_crowd_through_structure() -> None:
    loads = OwnLoadTableMechanism(8, 3).double()
    found = identify(random_traces([3] * 8, [25] * 10), FULL, loads, most_rows=600)
    assert len(found.table) == 600
    assert set(found.table["identified"]) == {"structure"}
    assert found.plot().axes[0].get_xlabel().startswith("context of the agent")
    crowd = identify(random_traces([3] * 8, [25] * 10), FULL, AnonymousMechanism(8, 3), most_rows=600)
    assert set(crowd.table["identified"]) == {"smoothness"}


def test_the_picture_shows_the_table() -> None:
    traces = random_traces([2, 3], [3])  # too short to meet all
    found = identify(traces, FULL, game([2, 3]))
    panel = found.plot().axes[0]
    shown = panel.images[0].get_array()
    part = found.table[found.table["agent"] == "agent_0"]
    expected = part["observations"].where(part["identified"] == "exactly").to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(shown.filled(np.nan), expected)
    assert [label.get_text() for label in panel.get_yticklabels()] == part["others"].unique().tolist()
    unknown = panel.images[1].get_array()
    assert (~np.ma.getmaskarray(unknown)).tolist() == np.isnan(expected).tolist()


def test_a_mechanism_of_another_game_is_refused():
    traces = random_traces((2, 3), [10] * 4)
    with pytest.raises(ValueError, match=r"the mechanism has action counts \(3, 3\), the traces \(2, 3\)"):
        identify(traces, LogitDynamics(), TabularMechanism([3, 3]))
