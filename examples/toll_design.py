"""Choose road tolls from play under today's tolls alone: recover the game, optimise in it, try the result in the world.

Five roads, four drivers who learn (the second experiment of the DIML paper). A toll is a rate times the number of
drivers on the road; today's rates are in fact rebates, and the planner knows them. Wanted: rates from 0 to 1 for which
travel costs least. Tolls are no cost: they only change hands.

What is identified: choices show payoff differences. Payoffs are taken to depend on the own road and its load alone (the
congestion form), and so travel costs follow up to one constant for all roads, which no comparison of tolls feels; it is
settled, not well, by the form's zero cost at load zero. Hence the picture shows changes of cost. Of a road's linear cost
and toll rate play shows only the difference: today's rates must be known.
"""

import sys

import torch
from matplotlib.figure import Figure
from torch import Tensor

from diml_envs.mechanisms import CongestionMechanism, Mechanism
from diml_inverse import Estimate, LogitDynamics, StructuredMLE, simulate
from diml_inverse.likelihood import decision_log_likelihoods, observe

LEARNERS = LogitDynamics(learning_rate=0.25, precision=3.0, exploration=0.06)
QUICK = "quick" in sys.argv
STARTS, STEPS, EPISODES = (1, 2, 10) if QUICK else (6, 25, 60)


def tolls(rates: Tensor | list[float]) -> CongestionMechanism:
    """What drivers pay: the rate of the road they take [A] times its load."""
    policy = CongestionMechanism(4, 5).double()
    policy.toll_rate.data = -torch.as_tensor(rates, dtype=torch.float64)  # in the game it counts as received
    return policy.requires_grad_(False)


def cost(costs: Mechanism, rates: Tensor | list[float], episodes: int, seed: int) -> float:
    """All drivers' travel cost in a round, mean over simulated play under these tolls."""
    traces = simulate(costs + tolls(rates), LEARNERS, episodes, 60, seed)
    return -float(costs(torch.tensor(traces.actions)).sum(-1).mean())


def gradient(costs: Mechanism, rates: Tensor, seed: int) -> Tensor:
    """Of expected cost in the rates: cost from a choice on, times what moved the choice (the likelihood ratio's slope)."""
    game = costs + (policy := tolls(rates).requires_grad_())
    traces = simulate(game, LEARNERS, EPISODES, 60, seed)
    log_probs = decision_log_likelihoods(game, LEARNERS, observe(game, LEARNERS, traces)).sum(-1)  # [E, T]
    ahead = -costs(torch.tensor(traces.actions)).sum(-1).flip(1).cumsum(1).flip(1)
    (slope,) = torch.autograd.grad((log_probs * (ahead - ahead.mean(0))).mean(), policy.toll_rate)
    return -slope


def best_rates(costs: Mechanism) -> Tensor:
    """Descent from several starts, as herding makes the problem non-convex; the same random numbers for all."""
    generator, found = torch.Generator().manual_seed(0), []
    for start in range(STARTS):
        rates = torch.full((5,), 1 - start / 2) if start < 3 else torch.rand(5, generator=generator)
        rates = rates.double()
        optimiser = torch.optim.Adam([rates], lr=0.1)
        for step in range(STEPS):
            rates.grad = gradient(costs, rates, seed=step)
            optimiser.step()
            rates.clamp_(0, 1)
        found.append((cost(costs, rates, 5 * EPISODES, seed=1000), rates))
    return min(found, key=lambda pair: pair[0])[1]


def picture(estimate: Estimate, true_costs: Mechanism, today: Tensor, marks: dict[str, float]) -> Figure:
    """Cost less today's for rates common to all roads, in the recovered model and in the world; and what was chosen."""
    common = [0.0, 1.0] if QUICK else [0.1 * step for step in range(11)]
    sizes = {"num_episodes": 3 * EPISODES, "draws": 2 if QUICK else 10}
    off = tolls(-today)  # takes today's tolls out of the recovered payoffs
    base = estimate.predict_under(**sizes)
    worlds = [
        estimate.predict_under(lambda game, rate=rate: game + off + tolls([rate] * 5), **sizes) for rate in common
    ]
    change = [world.total_payoffs(lambda game: game + off, less=base) for world in worlds]
    before = cost(true_costs, today, 10 * EPISODES, 0)
    true = [cost(true_costs, [rate] * 5, 10 * EPISODES, 0) - before for rate in common]
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(
        common, [-float(x.low) for x in change], [-float(x.high) for x in change], color="#56B4E9", alpha=0.4
    )
    axes.plot(common, [-float(x.value) for x in change], color="#0072B2", label="predicted, 95 % band")
    axes.plot(common, true, "k--", label="in the world (hidden from the planner)")
    for (name, value), colour in zip(marks.items(), ("#0072B2", "black", "#D55E00"), strict=True):
        axes.axhline(value, color=colour, linewidth=0.8)
        axes.annotate(name, (0, value), color=colour, va="bottom")
    axes.axhline(0, color="0.7")
    axes.annotate("today's tolls", (1, 0), color="0.4", va="bottom", ha="right")
    axes.set(xlabel="toll rate, the same on all roads", ylabel="travel cost per round, less today's")
    axes.legend(loc="lower left")
    return figure


def main(seed: int = 0) -> float:
    """Returns the share of the possible saving that is realised."""
    world = CongestionMechanism.random(4, 5, seed).double().requires_grad_(False)
    today = -world.toll_rate.detach()
    true_costs = world + tolls(-today)

    traces = simulate(world, LEARNERS, num_episodes=60, num_rounds=60, seed=seed)  # all that is seen of the world
    estimate = StructuredMLE(CongestionMechanism(4, 5), LEARNERS).fit(traces)
    costs = estimate.mechanism + tolls(-today)

    chosen, best = best_rates(costs), best_rates(true_costs)
    predicted = cost(costs, chosen, 10 * EPISODES, 0) - cost(costs, today, 10 * EPISODES, 0)
    before, realised, possible = (cost(true_costs, rates, 10 * EPISODES, 0) for rates in (today, chosen, best))
    share = (before - realised) / (before - possible)
    print(
        "rates chosen:", [round(rate, 2) for rate in chosen.tolist()], "- best:", [round(r, 2) for r in best.tolist()]
    )
    print(
        f"travel cost per round: today {before:.3f}; with the tolls chosen, predicted {before + predicted:.3f}, ",
        end="",
    )
    print(f"realised {realised:.3f}; best possible {possible:.3f}: {share:.0%} of the possible saving")
    marks = {"predicted": predicted, "realised": realised - before, "best possible": possible - before}
    picture(estimate, true_costs, today, marks).savefig("toll_design.png", dpi=150)
    return share


if __name__ == "__main__":
    main()
