"""A folder of results as `diml bench` leaves it, made up, for the tests of the page."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.scoring.scores import Score

HOSTILE = "<img src=x onerror=alert(1)>$x^{"
ESTIMATORS = ("auto", "neural", "cloning")


@dataclass(frozen=True)
class Made:
    """One made-up cell."""

    folder: Path
    task: str
    estimator: str
    seed: int

    def path(self, kind, ending):
        path = self.folder / kind / self.task / self.estimator / f"{self.seed}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def record(self, scores, **rest):
        settings = {"num_agents": 3}
        record = Record(self.task, self.estimator, self.seed, settings, scores, **rest)
        record.save(self.path("cells", ".json"))


def make_results(folder, tasks=("E1", "E2"), estimators=ESTIMATORS, seeds=range(3), points=60, suites=("paper",)):
    """Cells in which the estimators rank as they are given; of the first task the last one has no payoffs."""
    for t, task in enumerate(tasks):
        for e, estimator in enumerate(estimators):
            for seed in seeds:
                made = Made(folder, task, estimator, seed)
                error, payoffs = (1 + t) * 0.05 * 2**e * (1 + 0.1 * seed), t > 0 or e < len(estimators) - 1
                make_cell(made, error, payoffs, suites[t % len(suites)])
                made_curve(made)
                made_differences(made, points, noise=0.1 * 2**e)
    return folder


def make_cell(made, error, payoffs, suite):
    scores = [Score("payoff_difference_mse_relative", error, 0.9 * error, 1.1 * error)] if payoffs else []
    scores += [Score("choice_kl", error / 10), Score("log_likelihood", -1 - error), Score("fit_seconds", 3 * error)]
    made.record(
        scores,
        seconds=3.5,
        peak_memory_mb=320.0,
        info={"estimator": made.estimator, "route": "made up"},
        suite=suite,
        command=f"diml bench paper --tasks {made.task} --seeds {made.seed} -o cell/",
        versions={"python": "3.12.1", "torch": "2.6.0"},
    )


def made_curve(made):
    steps = np.arange(1, 30)
    curve = {"epoch": steps, "seconds": steps / 10, "train_log_likelihood": -1.5 - 1 / steps}
    pd.DataFrame(curve | {"validation_log_likelihood": -1.6 - 1 / steps}).to_csv(
        made.path("curves", ".csv"), index=False
    )


def made_differences(made, points, noise):
    generator = np.random.default_rng(made.seed)
    true = generator.normal(size=points)
    pairs = {"true": true, "recovered": true + noise * generator.normal(size=points)}
    pd.DataFrame(pairs).to_csv(made.path("differences", ".csv"), index=False, float_format="%.6g")


def make_failure(folder, task="E1", estimator="tabular", seed=0, log="Traceback: it failed\n"):
    made = Made(folder, task, estimator, seed)
    made.record([Score("error", math.nan)], note=f"RuntimeError: {log[:40]}")
    made.path("logs", ".log").write_text(log)


def without(record_path, *names):
    """The record as a release wrote it that did not know these fields."""
    content = json.loads(record_path.read_text())
    record_path.write_text(json.dumps({key: value for key, value in content.items() if key not in names}))
