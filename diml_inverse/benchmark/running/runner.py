"""Runs cells, here or on a cluster, and takes up a run that was interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diml_inverse.benchmark.running.cells import Cell, Record
from diml_inverse.benchmark.running.cluster import cluster
from diml_inverse.benchmark.running.contained import Files, contained, keep
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.threads import one_thread

Place = Callable[[Cell, Limits, threading.Event], Files]


def run_suite(
    cells: Sequence[Cell],
    results: Path,
    jobs: int | None = None,
    progress: bool = False,
    limits: Limits | None = None,
    ray: str | None = None,
) -> None:
    """Do the cells that are not done yet; each leaves `cells/<task>/<estimator>/<seed>.json` below `results`.

    A cell that raises, whose process dies, or that goes past its limits leaves a record that says so, and the rest
    goes on; the next run tries it again. Each process computes on one thread: threads that wait for each other on a
    busy machine made small fits twenty times slower. Only this process writes into `results`, each file whole, so that
    whatever ends it loses the cells in flight and no others.

    Args:
        cells: to do, in this order.
        results: the folder; made if it is not there.
        jobs: cells at a time; default: 1, or the cores of the cluster.
        progress: show a bar on stderr.
        limits: of each cell.
        ray: address of a Ray cluster to do them on, see `cluster`.

    Raises:
        ValueError: the folder holds cells by the same names with other settings.
        OSError: results cannot be written (no space left); what was written before stays.
    """
    waiting = [cell for cell in cells if not _finished(cell, results)]
    with tqdm(
        total=len(cells), initial=len(cells) - len(waiting), disable=None if progress else True, unit="cell"
    ) as bar:
        doable = []
        for cell in waiting:
            if reason := cell.made_by.why_not(cell.task):
                keep(cell, {"cells": Record.empty(cell, "skipped", reason).as_bytes()}, results)
                bar.update()
            else:
                doable.append(cell)
        if doable:
            with _engine(ray) as (place, cores):
                _run(doable, results, place, jobs or cores, limits or Limits(), bar)


def _run(cells: Sequence[Cell], results: Path, place: Place, jobs: int, limits: Limits, bar: tqdm[Any]) -> None:
    """A thread for each place does nothing but wait for the process that does a cell there."""
    ends = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(place, cell, limits, ends): cell for cell in cells}
        try:
            for future in as_completed(futures):
                cell = futures[future]
                keep(cell, future.result(), results)
                bar.set_postfix_str(str(cell))
                bar.update()
        finally:
            ends.set()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _engine(ray: str | None) -> Iterator[tuple[Place, int]]:
    if ray is None:
        with one_thread():
            yield contained, 1
    else:
        with cluster(ray) as engine:
            yield engine.place, engine.cores


def _finished(cell: Cell, results: Path) -> bool:
    path = cell.path(results, "cells")
    if not path.exists():
        return False
    record, made_by = Record.load(path), cell.made_by.description()
    if cell.task.missing and not record.failed:
        return True  # done when it was there
    if record.failed or (record.scores[0].metric == "skipped" and not cell.made_by.why_not(cell.task)):
        return False
    if record.settings != cell.task.settings() or _without_code(record.made_by) != _without_code(made_by):
        raise ValueError(
            f"{results} holds results of {cell} with other settings (--quick, another "
            "suite or version); name another folder"
        )
    return record.made_by == made_by  # or the plug-in's file has changed: done again


def _without_code(made_by: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in made_by.items() if key != "sha256"}
