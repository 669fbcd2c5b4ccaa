"""The paper's evaluation as a suite: tasks, estimators, a cell for each pair and seed, tables and figures."""

from diml_inverse.benchmark.cells import Cell, Record
from diml_inverse.benchmark.cramer_rao import cramer_rao_bound
from diml_inverse.benchmark.estimators import ABLATION, ESTIMATORS
from diml_inverse.benchmark.published import PublishedDIML
from diml_inverse.benchmark.results import COLUMNS, results_table
from diml_inverse.benchmark.runner import run_suite
from diml_inverse.benchmark.tasks import PAPER, Play, Task

__all__ = [
    "ABLATION",
    "COLUMNS",
    "ESTIMATORS",
    "PAPER",
    "Cell",
    "Play",
    "PublishedDIML",
    "Record",
    "Task",
    "cramer_rao_bound",
    "results_table",
    "run_suite",
]
