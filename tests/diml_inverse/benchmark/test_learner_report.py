"""The report's part on learners: which surrogate was chosen, and over which other."""

from __future__ import annotations

from typing import Any

import pandas as pd

from diml_inverse.benchmark.reports.learners import learners_section
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.scoring.scores import Score


def row(member: str, trial: int, value: float | None, **more: Any) -> dict[str, Any]:
    facts = {"standard_error": 0.001, "chosen": False, "failed": None if value else "NaN"}
    return {"member": member, "trial": trial, "held_out_log_likelihood": value, **facts, **more}


def test_the_chosen_surrogate_is_set_beside_the_next_of_the_last_trial() -> None:
    """Not beside one that fell out early, scored on fewer episodes, nor one that could not be fitted."""
    rows = [row("early", 1, -1.1), row("next", 2, -1.31), row("lost", 2, None), row("best", 2, -1.3, chosen=True)]
    info = {"learners": rows, "learner_parameters": {"learning_rate": 0.25, "fit": ["learning_rate"]}, "at_edge": []}
    record = Record("E2-hedge", "auto", 0, {}, [Score("error", 0.1)], info=info)
    columns = ["task", "estimator", "seed", "metric", "value"]
    scores = {"log_likelihood": -1.3, "truth_log_likelihood": -1.29}
    table = pd.DataFrame([["E2-hedge", "auto", 0, *score] for score in scores.items()], columns=columns)
    last = learners_section([record], table).splitlines()[-1]
    assert last == "| E2-hedge | 0 | best | -1.3000 | next | 0.0100 ± 0.0010 | learning_rate 0.25 | - |"
