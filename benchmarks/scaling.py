"""How time and memory of one gradient pass grow with agents, rounds, episodes and actions.

    python benchmarks/scaling.py -o scaling.png

A pass is the exact likelihood of all episodes and its gradient in every parameter, on play drawn uniformly at random,
which hardly ever takes a crowd to the same context twice. Each point runs in a process of its own, so that its peak
memory is its own. Agents, episodes and actions grow from 300 agents, 30 rounds, 16 episodes and 40 actions, the
candidate an anonymous network with an output for each own action; rounds grow in one long episode of 4 agents with 5
actions, the candidate a free network of the joint action.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import click
import matplotlib.pyplot as plt
import numpy as np
import torch

from diml_envs import Traces
from diml_envs.mechanisms import AnonymousMechanism, Mechanism, NeuralMechanism
from diml_inverse import LogitDynamics
from diml_inverse.likelihood import observe, total_log_likelihood

PASSES = 3


class Size(NamedTuple):
    """Of some play."""

    agents: int
    rounds: int
    episodes: int
    actions: int


class Cost(NamedTuple):
    """Seconds to prepare the traces and for the median pass; megabytes that play and passes added at the peak."""

    preparation: float
    seconds: float
    megabytes: float


CROWD, FEW = Size(300, 30, 16, 40), Size(4, 1000, 1, 5)
SWEEPS: dict[str, list[Size]] = {
    "agents": [CROWD._replace(agents=n) for n in (30, 100, 300, 1000, 3000, 10_000)],
    "rounds": [FEW._replace(rounds=n) for n in (100, 1000, 10_000, 100_000)],
    "episodes": [CROWD._replace(episodes=n) for n in (1, 4, 16, 64)],
    "actions": [CROWD._replace(actions=n) for n in (5, 10, 20, 40, 80)],
}


def candidate(size: Size) -> Mechanism:
    """A network for each kind of game."""
    if size.agents > 10:
        return AnonymousMechanism(size.agents, size.actions, own_action="output")
    return NeuralMechanism(size.agents, size.actions)


def cost(size: Size, threads: int) -> Cost:
    """Measured in this process."""
    torch.set_num_threads(threads)
    before = peak_megabytes()
    mechanism, dynamics = candidate(size), LogitDynamics(0.2, 6.0, 0.02)
    drawn = np.random.default_rng(0).integers(size.actions, size=(size.episodes, size.rounds, size.agents))
    traces = Traces(drawn, action_labels=[range(size.actions)] * size.agents)
    start = time.perf_counter()
    play = observe(mechanism, dynamics, traces)
    preparation = time.perf_counter() - start
    seconds = []
    for _ in range(PASSES):
        mechanism.zero_grad()
        start = time.perf_counter()
        total_log_likelihood(mechanism, dynamics, play).backward()
        seconds.append(time.perf_counter() - start)
    return Cost(preparation, statistics.median(seconds), peak_megabytes() - before)


def peak_megabytes() -> float:
    """Most memory that this process ever held. Linux only; getrusage would count the parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def in_a_process_of_its_own(size: Size, threads: int) -> Cost:
    """`cost`, where nothing that was measured before has left its mark."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(cost, (size, threads))


def draw(found: dict[str, list[Cost]], path: Path) -> None:
    """Log-log, seconds above, megabytes below; dotted where twice as many cost twice as much."""
    figure, axes = plt.subplots(2, len(found), figsize=(14, 6), sharex="col", sharey="row", layout="constrained")
    for column, (axis, costs) in enumerate(found.items()):
        counts = [getattr(size, axis) for size in SWEEPS[axis]]
        for row, what in enumerate(("seconds", "megabytes")):
            panel, values = axes[row, column], [getattr(cost, what) for cost in costs]
            panel.loglog(counts, [values[-1] * count / counts[-1] for count in counts], ":", color="grey")
            panel.loglog(counts, values, "o-")
            panel.set_xticks(counts, [f"{count:g}" for count in counts])
            panel.minorticks_off()
            every = [getattr(cost, what) for of_axis in found.values() for cost in of_axis]
            panel.set_ylim(min(every) / 2, max(every) * 2)
        axes[1, column].set_xlabel(axis)
    axes[0, 0].set_ylabel("seconds, one pass")
    axes[1, 0].set_ylabel("megabytes, one pass")
    axes[1, 0].set_yticks([50, 100, 200, 400, 800], ["50", "100", "200", "400", "800"])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


@click.command()
@click.option("--threads", default=1, show_default=True, help="Threads torch may use.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("output/scaling.png"), show_default=True)
def main(threads: int, output: Path) -> None:
    """Print the cost of each point and draw all of them into OUTPUT (PNG)."""
    click.echo(
        f"{'':10} {'agents':>8} {'rounds':>8} {'episodes':>8} {'actions':>8} {'prepare s':>10} {'pass s':>8} {'MB':>7}"
    )
    found: dict[str, list[Cost]] = {}
    for axis, sizes in SWEEPS.items():
        for size in sizes:
            point = in_a_process_of_its_own(size, threads)
            found.setdefault(axis, []).append(point)
            counts = " ".join(f"{count:8d}" for count in size)
            click.echo(f"{axis:10} {counts} {point.preparation:10.3f} {point.seconds:8.3f} {point.megabytes:7.0f}")
    draw(found, output)
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
