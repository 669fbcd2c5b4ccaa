"""Runs cells, each in a fresh process, and takes up a run that was interrupted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from tqdm import tqdm

from diml_inverse.benchmark.cells import Cell, Record, run_cell_alone
from diml_inverse.benchmark.estimators import why_not

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_suite(cells: Sequence[Cell], results: Path, jobs: int = 1, progress: bool = False) -> None:
    """Do the cells that are not done yet; each leaves `cells/<task>/<estimator>/<seed>.json` below `results`.

    A cell that raises, or whose process dies, leaves a record that says so, and the rest goes on; the next run
    tries it again. Each process computes on one thread, so that times can be compared and numbers do not depend on the
    machine's load or `jobs`: threads that wait for each other on a busy machine made small fits twenty times slower.

    Args:
        cells: to do, in this order.
        results: the folder; made if it is not there.
        jobs: cells at a time.
        progress: show a bar on stderr.

    Raises:
        ValueError: the folder holds cells of tasks by the same name with other settings.
    """
    waiting = deque(cell for cell in cells if not _finished(cell, results))
    running: dict[int, tuple[BaseProcess, Cell]] = {}
    done = len(cells) - len(waiting)
    with tqdm(total=len(cells), initial=done, disable=not progress, unit="cell") as bar, _one_thread():
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    cell = waiting.popleft()
                    if (process := _started(cell, results)) is None:
                        bar.update()
                    else:
                        running[process.sentinel] = process, cell
                        bar.set_postfix_str(" ".join(map(str, (cell.task.name, cell.estimator, cell.seed))))
                for sentinel in connection.wait(list(running)) if running else ():
                    assert isinstance(sentinel, int)
                    _ended(*running.pop(sentinel), results)
                    bar.update()
        finally:
            for process, _ in running.values():
                process.terminate()


def _finished(cell: Cell, results: Path) -> bool:
    path = cell.path(results, "cells", ".json")
    if not path.exists():
        return False
    record = Record.load(path)
    if record.settings != cell.task.settings():
        raise ValueError(
            f"{results} holds results of {cell.task.name} with other settings (--quick, or another version); name "
            "another folder"
        )
    return not record.failed


def _started(cell: Cell, results: Path) -> BaseProcess | None:
    """The process that does the cell; None if there is nothing to do but say why."""
    path = cell.path(results, "cells", ".json")
    path.unlink(missing_ok=True)  # of a failure that is now tried again
    if reason := why_not(cell.estimator, cell.task):
        Record.empty(cell, "skipped", reason).save(path)
        return None
    process = _fresh_process(cell, results)
    process.start()
    return process


def _fresh_process(cell: Cell, results: Path) -> BaseProcess:
    """A process in which nothing was computed before, so that time and memory are the cell's own."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn").Process(target=run_cell_alone, args=(cell, results))
    context = get_context("forkserver")
    context.set_forkserver_preload([run_cell_alone.__module__])  # imported once, or each cell would take seconds for it
    return context.Process(target=run_cell_alone, args=(cell, results))


def _ended(process: BaseProcess, cell: Cell, results: Path) -> None:
    process.join()
    path = cell.path(results, "cells", ".json")
    if process.exitcode and not path.exists():
        how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"exit code {process.exitcode}"
        Record.empty(cell, "error", f"its process ended with {how}").save(path)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Environment in which libraries that start in it use one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
