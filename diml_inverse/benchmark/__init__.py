"""The benchmark: tasks, estimators, suites of both, a cell for each pair and seed, tables, figures and a page."""

from diml_inverse.benchmark.reports.results import COLUMNS, results_table
from diml_inverse.benchmark.running.cells import Cell, Record
from diml_inverse.benchmark.running.entries import Entry
from diml_inverse.benchmark.running.estimators import ABLATION, ESTIMATORS
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.published import PublishedDIML
from diml_inverse.benchmark.running.runner import run_suite
from diml_inverse.benchmark.running.suites import SUITES, Suite, read_suite
from diml_inverse.benchmark.scoring.cramer_rao import cramer_rao_bound
from diml_inverse.benchmark.tasks.catalogue import TASKS, task_named
from diml_inverse.benchmark.tasks.task import PAPER, Play, Task

__all__ = [
    "ABLATION",
    "COLUMNS",
    "ESTIMATORS",
    "PAPER",
    "SUITES",
    "TASKS",
    "Cell",
    "Entry",
    "Limits",
    "Play",
    "PublishedDIML",
    "Record",
    "Suite",
    "Task",
    "cramer_rao_bound",
    "read_suite",
    "results_table",
    "run_suite",
    "task_named",
]
