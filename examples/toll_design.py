"""Choose road tolls from play under today's tolls alone: recover the game, optimise in it, try the result in the world.

Four drivers who learn, five roads (the DIML paper's second experiment). A road's toll is a fee and a rate times its
load, each from 0 to 1; today's rates are in fact rebates, and the planner knows them. Wanted: tolls for which
travel costs least. Tolls themselves are no cost: they only change hands.

What is identified: payoff differences. With payoffs taken to depend on the own road and its load alone (the congestion
form) travel costs follow up to one constant for all roads, which no comparison of tolls feels. That a road of load zero
costs nothing settles it, not well, and so the picture shows changes of cost. Of a road's linear cost and its toll rate
play shows the difference only: today's rates must be known.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from diml_envs.mechanisms import CongestionMechanism, Mechanism, SymmetricMechanism
from diml_envs.traces import Traces
from diml_inverse import Estimate, LogitDynamics, StructuredMLE, simulate
from diml_inverse.likelihood import decision_log_likelihoods, observe

LEARNERS = LogitDynamics(learning_rate=0.25, precision=3.0, exploration=0.06)
OUTPUT = Path("output")  # of the picture
ROADS, STEPS, EPISODES, POINTS = (2, 2, 10, 3) if "quick" in sys.argv else (5, 25, 60, 9)


class Tolls(SymmetricMechanism):
    """What drivers pay. design: fees and rates of the roads, [2, 5]."""

    def __init__(self, design: Tensor) -> None:
        super().__init__(4, 5)
        self.design = nn.Parameter(design.clone())

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        """Number of others on each road [K, 5] -> [K, 5]."""
        return -self.design[0] - self.design[1] * (others + 1)


def play(costs: Mechanism, policy: Tolls, episodes: int, seed: int) -> tuple[Traces, Tensor]:
    """Simulated play under these tolls, and all drivers' travel cost in each of its rounds, [E, 60]."""
    traces = simulate(costs + policy, LEARNERS, episodes, 60, seed)
    return traces, -costs(torch.tensor(traces.actions)).sum(-1).detach()


def expected_cost(costs: Mechanism, design: Tensor, episodes: int = 20 * EPISODES, seed: int = 0) -> float:
    """In a round."""
    return float(play(costs, Tolls(design), episodes, seed)[1].mean())


def gradient(costs: Mechanism, design: Tensor, seed: int) -> Tensor:
    """Of expected cost in the design: how it moves each choice's log probability, times the cost from there on."""
    policy = Tolls(design)
    traces, cost = play(costs, policy, EPISODES, seed)
    game = costs + policy
    log_probs = decision_log_likelihoods(game, LEARNERS, observe(game, LEARNERS, traces)).sum(-1)  # [E, 60]
    ahead = cost.flip(1).cumsum(1).flip(1)
    return torch.autograd.grad((log_probs * (ahead - ahead.mean(0))).mean(), policy.design)[0]


def best_design(costs: Mechanism) -> Tensor:
    """Descent from high rates and a fee on one of the roads; each in turn, as herding makes the problem non-convex."""
    found = []
    for road in range(ROADS):
        design = torch.stack([torch.eye(5)[road], torch.ones(5)]).double()
        found.append((expected_cost(costs, design, seed=1000), design.clone()))
        for step in range(STEPS):  # the same random numbers for all starts
            slope = gradient(costs, design, seed=step)
            design = (design - 0.1 * (1 - step / STEPS) * slope / slope.norm()).clamp(0, 1)
        found.append((expected_cost(costs, design, seed=1000), design))
    return min(found, key=lambda pair: pair[0])[1]


def picture(estimate: Estimate, true_costs: Mechanism, today: Tensor, chosen: Tensor, best: float) -> Figure:
    """Change of travel cost on the way from today's tolls to those chosen: predicted, and true."""
    way, sizes = torch.linspace(0, 1, POINTS).tolist(), {"num_episodes": 5 * EPISODES, "draws": POINTS}
    base, off = estimate.predict_under(**sizes), Tolls(-today)  # off: gives today's tolls back
    worlds = [estimate.predict_under(lambda game, s=s: game + Tolls(s * (chosen - today)), **sizes) for s in way]
    change = [world.total_payoffs(lambda game: game + off, less=base) for world in worlds]
    true = [expected_cost(true_costs, today + s * (chosen - today)) for s in way]
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(way, [-x.high for x in change], [-x.low for x in change], color="#56B4E9", alpha=0.4, linewidth=0)
    axes.plot(
        way, [-x.value for x in change], color="#0072B2", label="predicted from play under today's tolls, 95 % band"
    )
    axes.plot(way, [cost - true[0] for cost in true], "ko--", label="realised (hidden from the planner)")
    axes.axhline(best - true[0], color="#D55E00", label="best possible, had the game been known")
    axes.set(xlabel="tolls: from today's (0) to those chosen (1)", ylabel="travel cost per round, less today's")
    axes.legend(loc="lower left", frameon=False)
    return figure


def main(seed: int = 0) -> float:
    """The share of the possible saving that is realised."""
    world = CongestionMechanism.random(4, 5, seed).double().requires_grad_(False)
    today = torch.stack([torch.zeros(5, dtype=torch.float64), -world.toll_rate])
    true_costs = world + Tolls(-today)
    traces = simulate(world, LEARNERS, num_episodes=60, num_rounds=60, seed=seed)  # all that is seen of the world
    estimate = StructuredMLE(CongestionMechanism(4, 5), LEARNERS).fit(traces)
    costs = estimate.mechanism + Tolls(-today)

    chosen, best = best_design(costs), best_design(true_costs)
    saving = expected_cost(costs, today) - expected_cost(costs, chosen)
    before, after, possible = (expected_cost(true_costs, one) for one in (today, chosen, best))
    share = (before - after) / (before - possible)
    print("roads' fees and rates chosen:", *chosen.numpy().round(2).tolist(), "best:", *best.numpy().round(2).tolist())
    print(f"travel cost per round: today {before:.3f}, predicted {before - saving:.3f}, realised {after:.3f}, ", end="")
    print(f"best possible {possible:.3f}: {share:.0%} of the possible saving realised")
    OUTPUT.mkdir(exist_ok=True)
    picture(estimate, true_costs, today, chosen, possible).savefig(OUTPUT / "toll_design.png", dpi=150)
    return share


if __name__ == "__main__":
    main()
