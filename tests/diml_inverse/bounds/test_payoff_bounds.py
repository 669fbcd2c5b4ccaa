"""The set of payoffs of little regret, against grids over 2x2 games; and a theorem about every learner."""

import itertools

import numpy as np
import pytest
import torch
from histories import LEARNERS
from slow_definitions import random_traces
from slow_regret import directions, two_by_two
from slow_regret import regret as slow_regret

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import CongestionMechanism, OwnLoadTableMechanism, TabularMechanism
from diml_inverse.bounds import (
    between,
    increasing,
    known,
    no_regret_rate,
    outside_option,
    parameters,
    payoff_bounds,
    symmetric,
    zero_sum,
)
from diml_inverse.bounds.form import affine_form
from diml_inverse.bounds.regret import gains

EVERY_LEARNER = [*LEARNERS, agents.Inertia(agents.Hedge(), 0.3), agents.SARSA(), agents.ExpectedSARSA()]
STEPS = 41  # of the grid: differences .05 apart


def allowed_on_a_grid(traces, epsilon, against):
    """Pairs of differences, the larger of them 1, under which the row player's regret is at most epsilon."""
    made = [(pair, TabularMechanism.from_payoffs(two_by_two(*pair))) for pair in directions(STEPS)]
    return np.array([pair for pair, game in made if slow_regret(game, traces, 0, against) <= epsilon + 1e-12])


@pytest.mark.parametrize("against", ["external", "swap", "last_profile"])
def test_bounds_of_two_by_two_games_are_those_of_a_grid(against):
    traces = random_traces((2, 2), [6, 7], seed=7)
    found = payoff_bounds(traces, 0.1, against=against)
    allowed = allowed_on_a_grid(traces, 0.1, against)
    assert 0 < len(allowed) < len(directions(STEPS))
    for other in (0, 1):
        row = found.table[(found.table["others"] == f"agent_1={other}") & (found.table["action"] == 0)].iloc[0]
        step = 2 / (STEPS - 1)
        low, high = allowed[:, other].min() / 2, allowed[:, other].max() / 2
        assert low - step / 2 - 1e-6 <= row["low"] <= low + 1e-6
        assert high - 1e-6 <= row["high"] <= high + step / 2 + 1e-6


def test_contains_is_regret_at_most_epsilon_whatever_the_unit():
    traces, rng = random_traces((2, 2), [12], seed=8), np.random.default_rng(0)
    found, inside = payoff_bounds(traces, 0.15), 0
    for _ in range(60):
        table = rng.normal(size=(2, 2, 2)) * rng.choice([0.01, 1, 100])
        spread = np.array([np.ptp(table[..., 0], 0).max(), np.ptp(table[..., 1], 1).max()])
        game = TabularMechanism.from_payoffs(table / spread)
        little = all(slow_regret(game, traces, agent) <= 0.15 for agent in (0, 1))
        assert found.contains(TabularMechanism.from_payoffs(table)) == little
        inside += little
    assert 0 < inside < 60


GAMES = {
    "congestion": lambda seed: CongestionMechanism.random(3, 3, seed=seed),
    "table": lambda seed: TabularMechanism.random(2, 3, seed=seed),
    "dilemma": lambda seed: TabularMechanism.from_payoffs([[[3, 3], [0, 5]], [[5, 0], [1, 1]]]),
}


def instead_of(traces, truth):
    """What each own action would have earned, [E, T, N, A]."""
    with torch.no_grad():
        return truth.counterfactual_payoffs(torch.tensor(traces.actions)).numpy()


def with_differences_up_to_one(truth, traces):
    """The same game in another unit."""
    largest = np.ptp(instead_of(traces, truth), axis=-1).max()
    for parameter in truth.parameters():
        parameter.data /= largest
    return truth


def check_truth_is_inside(learner, make, seed, scale="range", most_contexts=0):
    truth = make(seed).double()
    rollout = agents.rollout(RepeatedGameEnv(truth, max_cycles=25), learner, num_episodes=3, seed=seed)
    traces, names = rollout.traces, rollout.traces.agents
    truth = with_differences_up_to_one(truth, traces)
    instead = instead_of(traces, truth)
    earned = np.take_along_axis(instead, traces.actions[..., None], -1)
    regret = (instead - earned).mean((0, 1)).max(1)
    form = CongestionMechanism(3, 3) if isinstance(truth, CongestionMechanism) else None
    epsilon = dict(zip(names, regret, strict=True))
    found = payoff_bounds(traces, epsilon, scale, mechanism=form, most_contexts=most_contexts)
    assert found.contains(truth)
    centred = instead - instead.mean(-1, keepdims=True)
    for agent, others, action, low, high, *_ in found.table.itertuples(index=False):
        played = [
            dict(zip(names, map(str, profile), strict=True)) for profile in traces.actions.reshape(-1, len(names))
        ]
        met = [
            all(row[name] == label for name, label in (one.split("=") for one in others.split(";"))) for row in played
        ]
        value = centred.reshape(-1, *centred.shape[2:])[met][0, names.index(agent), action]
        assert low - 1e-6 <= value <= high + 1e-6


@pytest.mark.parametrize("game", GAMES)
def test_the_truth_is_in_the_set_at_the_regret_that_was_realised(game):
    """A theorem, so it holds of every learner and seed."""
    for learner, seed in zip(EVERY_LEARNER, itertools.cycle([1, 2, 3])):
        check_truth_is_inside(learner, GAMES[game], seed)


def test_no_learner_is_left_out():
    kinds = [kind for kind in vars(agents).values() if isinstance(kind, type) and issubclass(kind, agents.Learner)]
    assert set(kinds) - {agents.Learner, agents.SB3} == {type(learner) for learner in EVERY_LEARNER}


def test_the_truth_is_within_every_interval():
    for learner in (agents.Hedge(), agents.EpsilonGreedy()):
        check_truth_is_inside(learner, GAMES["congestion"], 4, "range", 3)
        check_truth_is_inside(learner, GAMES["dilemma"], 4, None, 4)


@pytest.mark.slow
@pytest.mark.parametrize("game", GAMES)
def test_the_truth_is_in_the_set_of_a_hundred_seeds(game):
    for learner, seed in itertools.product(EVERY_LEARNER, range(100, 200)):
        check_truth_is_inside(learner, GAMES[game], seed)


def test_known_payoffs_set_the_unit():
    """If action 0 is worth 2 more against 0 and d more against 1, regret is a share of each, by hand."""
    traces = Traces(np.array([[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0], [1, 1]]]))
    found = payoff_bounds(traces, 0.5, ("agent_0", {(0, 0): 2, (1, 0): 0}))
    difference = found.project(lambda game: game(torch.tensor([0, 1]))[0] - game(torch.tensor([1, 1]))[0])
    # always 0: (2 x 1 + d x 2) / 6 <= .5; always 1: -(2 x 2 + d x 1) / 6 <= .5
    assert difference == pytest.approx((-7, 0.5, True), abs=1e-6)
    row = found.table[(found.table["agent"] == "agent_0") & (found.table["others"] == "agent_1=0")]
    assert row["low"].tolist() == pytest.approx([1, -1]) == row["high"].tolist()
    assert found.notes == ("unit of agent_0: own units", "unit of agent_1: largest difference 1")


def test_smallest_is_the_least_at_which_the_set_is_not_empty():
    traces = random_traces((2, 2), [30], seed=9)
    unit = ("agent_0", {(0, 0): 1, (1, 0): 0})
    least = payoff_bounds(traces, "smallest", unit).least_regret
    with pytest.raises(ValueError, match="no payoffs make this play as good as that"):
        payoff_bounds(traces, {name: value - 1e-4 for name, value in least.items()}, unit)
    found = payoff_bounds(traces, least, unit)
    assert found.contains(found.least_regret_point)
    assert all(value <= found.epsilon[name] + 1e-7 for name, value in found.regret_of(found.least_regret_point).items())


def test_smallest_is_not_below_zero():
    best = Traces(np.array([[[0, 0], [1, 1]] * 5]))
    found = payoff_bounds(best, "smallest")
    assert max(found.least_regret.values()) < -0.1
    assert set(found.epsilon.values()) == {0.0}


def test_the_centre_is_inside_with_room():
    traces = random_traces((2, 3), [40], seed=10)
    found = payoff_bounds(traces, 0.15)
    rng, centre = np.random.default_rng(0), found.centre
    assert found.contains(centre)
    table = centre.table.detach().numpy()
    near = [TabularMechanism.from_payoffs(table + 1e-4 * rng.normal(size=table.shape)) for _ in range(20)]
    assert all(found.contains(game) for game in near)


def differences_of(traces, know, regret=10.0, mechanism=None):
    found = payoff_bounds(traces, regret, know=know, mechanism=mechanism)
    return found, found.table.set_index(["agent", "others", "action"])


def test_what_is_known_is_kept():
    traces = random_traces((2, 2), [20], seed=12)
    everything = [between(0, 4), known("agent_0", {(0, 0): 3}), increasing("agent_0", [1, 0])]
    found, table = differences_of(traces, everything)
    of_row = table.loc["agent_0", "agent_1=0", 0]
    assert (of_row["low"], of_row["high"]) == pytest.approx((0, 1.5), abs=1e-6)  # 3 less 0 to 3, halved
    assert table.loc["agent_0", "agent_1=1", 0]["low"] == pytest.approx(0, abs=1e-6)
    assert table.loc["agent_1", "agent_0=0", 0]["high"] == pytest.approx(2, abs=1e-6)
    inside = TabularMechanism.from_payoffs([[[3, 0], [2, 1]], [[1, 1], [0, 0]]])
    assert found.contains(inside)
    outside = TabularMechanism.from_payoffs([[[3, 0], [0, 1]], [[1, 1], [1, 0]]])
    assert not found.contains(outside)  # falls along agent_0's actions against 1


def test_zero_sum_symmetry_and_an_outside_option_tie_payoffs():
    traces = random_traces((2, 2), [20], seed=13)
    total = payoff_bounds(traces, 10.0, know=[between(-1, 1), zero_sum()])
    assert total.project(lambda game: game(torch.tensor([0, 1])).sum()) == pytest.approx((0, 0, True), abs=1e-7)
    same = payoff_bounds(traces, 10.0, know=[between(-1, 1), symmetric()])
    gap = same.project(lambda game: game(torch.tensor([0, 1]))[0] - game(torch.tensor([1, 0]))[1])
    assert gap == pytest.approx((0, 0, True), abs=1e-7)
    staying = payoff_bounds(traces, 10.0, know=[between(-1, 1), outside_option("agent_1", 0, 0.25)])
    assert staying.project(lambda game: game(torch.tensor([1, 0]))[1]) == pytest.approx((0.25, 0.25, True), abs=1e-7)


def test_ranges_of_parameters():
    traces = random_traces((3, 3, 3), [30], seed=14)
    prior = {
        "linear_cost": (0.1, 0.4),
        "quadratic_cost[1]": (0.0, 0.2),
        "quadratic_cost[0]": (0, 1),
        "toll_rate": (0, 0),
    }
    know = [parameters(prior), parameters({"quadratic_cost[2]": (0.1, 0.1)})]
    table = payoff_bounds(traces, 10.0, mechanism=CongestionMechanism(3, 3), know=know).parameters.set_index(
        "parameter"
    )
    assert table.loc["linear_cost[2]", ["low", "high"]].tolist() == pytest.approx([0.1, 0.4])
    assert table.loc["quadratic_cost[1]", ["low", "high"]].tolist() == pytest.approx([0, 0.2])
    assert table.loc["quadratic_cost[2]", ["low", "high"]].tolist() == pytest.approx([0.1, 0.1])


def test_a_form_with_a_symmetry_bounds_each_payoff_once_and_lists_every_context():
    traces = random_traces((3, 3, 3), [40], seed=15)
    table = payoff_bounds(traces, 0.1, "range", mechanism=OwnLoadTableMechanism(3, 3)).table
    both = table[table["others"].isin(["agent_1=0;agent_2=1", "agent_1=1;agent_2=0"]) & (table["agent"] == "agent_0")]
    assert len(both) == 6
    assert (both.groupby("action")[["low", "high"]].nunique() == 1).all(axis=None)


def test_the_rate_of_theory():
    assert no_regret_rate([2, 4], [50]) == pytest.approx([np.sqrt(np.log(2) / 100), np.sqrt(np.log(4) / 100)])
    assert no_regret_rate([2], [200, 50]) == pytest.approx(
        [(200 * np.sqrt(np.log(2) / 400) + 5 * np.sqrt(np.log(2))) / 250]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regret": "small"}, '"smallest" or "theory"'),
        ({"regret": {"agent_0": 0.1}}, "missing: agent_1"),
        ({"regret": np.nan}, "must be a number"),
        ({"normalise": "max"}, '"largest", "range"'),
        ({"normalise": ("row", {(0, 0): 1})}, "no agent 'row'; there are agent_0, agent_1"),
        ({"normalise": ("agent_0", {(0, 2): 1})}, "agent 'agent_1' has no action 2"),
        ({"normalise": ("agent_0", {(0,): 1})}, "one action for each of agent_0, agent_1"),
        ({"regret": "theory", "know": [between(0, 1)]}, "units of their own"),
        ({"know": [between(0, 1), known("agent_0", {(0, 0): 2})]}, "contradicts itself"),
        ({"know": [parameters({"tabel": (0, 1)})]}, "no unknown parameter 'tabel'; it has table"),
        ({"confidence": 0.95}, "two episodes at least"),
        ({"regret": -5.0}, "no payoffs make this play as good"),
        ({"mechanism": TabularMechanism([3, 3])}, "the traces"),
    ],
)
def test_wrong_requests_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        payoff_bounds(random_traces((2, 2), [20]), **options)


def test_a_margin_is_the_quantile_over_resampled_episodes_of_the_largest_excess():
    """Over all payoffs in [0, 1] the largest excess of a gain is the sum of the positive parts of its coefficients."""
    traces = random_traces((2, 2), [5, 6, 7, 4], seed=16)
    found = payoff_bounds(traces, 10.0, know=[between(0, 1)], confidence=0.9, replicates=30, seed=5)
    form = affine_form(TabularMechanism([2, 2]), traces)
    here = gains(form, traces)
    draws = np.random.default_rng(5).multinomial(4, [0.25] * 4, 30)
    changes = [(gains(form, traces, episode_weights=weights).matrix - here.matrix).toarray() for weights in draws]
    excess = np.array([np.maximum(change, 0).sum(1) for change in changes])
    margins = np.stack([excess[:, here.agent == agent].max(1) for agent in (0, 1)], 1)
    unit = np.median(margins, 0)
    expected = 10 + np.quantile((margins / unit).max(1), 0.9) * unit
    assert list(found.epsilon.values()) == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.slow
def test_a_margin_covers_the_regret_of_more_play():
    """95 %: of 20 samples of 10 episodes at least 16 sets hold the truth, whose regret is that of endless play.

    The chance of fewer is .3 % at 95 % coverage (binomial); without a margin about half would.
    """
    truth = TabularMechanism.from_payoffs([[[1.0, 0.5], [0.0, 1.0]], [[0.2, 1.0], [0.6, 0.0]]])
    learner, env = agents.LogitQ(precision=2.0), RepeatedGameEnv(truth, max_cycles=12)
    long = agents.rollout(env, learner, num_episodes=4000, seed=0).traces
    epsilon = payoff_bounds(long, 1.0, "range", most_contexts=0).regret_of(truth)
    inside = []
    for seed in range(1, 21):
        traces = agents.rollout(env, learner, num_episodes=10, seed=seed).traces
        options = {"know": [between(0, 1)], "most_contexts": 0, "seed": seed}
        sets = [payoff_bounds(traces, epsilon, confidence=level, replicates=40, **options) for level in (None, 0.95)]
        inside.append([found.contains(truth) for found in sets])
    without, with_margin = np.sum(inside, 0)
    assert without < 16 <= with_margin


def test_beside_puts_a_likelihoods_differences_in_the_unit_of_the_set():
    traces = random_traces((2, 2), [30], seed=17)
    found = payoff_bounds(traces, 0.2)
    game = TabularMechanism.from_payoffs(50 * found.centre.table.detach().numpy())
    beside = found.beside(game)
    assert beside["inside"].all()
    of_agent = beside[beside["agent"] == "agent_0"]["payoff_difference"].abs()
    assert of_agent.max() == pytest.approx(0.5)  # of two actions, the largest difference 1
    assert found.plot(game).axes
    assert found.contains(game)
