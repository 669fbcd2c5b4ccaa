"""One cell in a process of its own: whatever it does there, what comes back is a record that says so, and its log."""

from __future__ import annotations

import faulthandler
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from tqdm import tqdm

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.running.cells import KINDS, Cell, Record, run_cell
from diml_inverse.benchmark.running.limits import Limits

Files = dict[str, bytes]  # by kind, of `KINDS`; picklable, for a cell done on another machine

WARM = "diml_inverse.benchmark.running.warm"
START_UP = 300.0  # seconds at most
GRACE = 2.0  # seconds to write where it stood, for a process that is ended
WATCHED_EVERY = 0.5  # seconds
OUT_OF_MEMORY = ("MemoryError", "can't allocate memory", "bad_alloc", "Unable to allocate")
PROCESSES = threading.Lock()  # multiprocessing keeps a list of children, which threads must not change at once


class Interrupted(Exception):
    """The run ends: the cell is neither done nor failed."""


def contained(cell: Cell, limits: Limits, ends: threading.Event | None = None) -> Files:
    """Do the cell within its limits, and give the files it left.

    Args:
        cell: picklable.
        limits: of time and memory.
        ends: set when the run ends before the cell does.

    Raises:
        Interrupted: `ends` was set.
    """
    with tempfile.TemporaryDirectory(prefix="diml-cell-") as folder:
        scratch, begun = Path(folder), time.perf_counter()
        process = _fresh_process(cell, scratch, limits)
        with PROCESSES:
            process.start()
        why = _watch(process, cell.path(scratch, "logs"), limits.seconds, ends)
        path = cell.path(scratch, "cells")
        if not path.exists():
            note = f"stopped after {limits.seconds:g} s, the limit of a cell" if why == "time" else _how(process)
            failed = Record.empty(cell, "error", note)
            replace(failed, seconds=time.perf_counter() - begun).save(path)
        return {kind: found.read_bytes() for kind in KINDS if (found := cell.path(scratch, kind)).exists()}


def keep(cell: Cell, files: Files, results: Path) -> None:
    """Write the files into the folder of results, each whole, the record last; what a former try left goes.

    Raises:
        OSError: the disk is full, say; the cell then counts as not done.
    """
    for kind in KINDS:
        path = cell.path(results, kind)
        if kind not in files:
            path.unlink(missing_ok=True)
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                temporary.write_bytes(files[kind])
        except OSError as error:
            why = f"{error.strerror}: what was done before is kept, run again to go on"
            raise OSError(error.errno, why, str(path)) from error


def _fresh_process(cell: Cell, scratch: Path, limits: Limits) -> BaseProcess:
    """A process in which nothing was computed before, so that time and memory are the cell's own."""
    arguments = (cell, scratch, limits)
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn").Process(target=_alone, args=arguments)
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, WARM])  # imported once, or each cell would take seconds for it
    return context.Process(target=_alone, args=arguments)


def _watch(process: BaseProcess, log: Path, seconds: float, ends: threading.Event | None) -> str:
    """Wait for the process, and end it when its time is over. `time` if that had to be done, else nothing.

    Its time begins with its log: before, the first of all waits for what is imported for them all.
    """
    deadline, begun = time.perf_counter() + START_UP, False
    while not connection.wait([process.sentinel], WATCHED_EVERY):
        if not begun and log.exists():
            deadline, begun = time.perf_counter() + seconds, True
        interrupted = ends is not None and ends.is_set()
        if interrupted or time.perf_counter() > deadline:
            _end(process)
            if interrupted:
                raise Interrupted
            return "time"
    with PROCESSES:
        process.join()
    return ""


def _end(process: BaseProcess) -> None:
    """With all that it started; first asked to write its stack to the log."""
    assert process.pid is not None
    process.terminate()
    connection.wait([process.sentinel], GRACE)
    for kill in (lambda: os.killpg(process.pid, signal.SIGKILL), process.kill):
        try:
            kill()
        except (ProcessLookupError, PermissionError):
            continue
    with PROCESSES:
        process.join()


def _how(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"its process ended with signal {-code}" if code < 0 else f"its process ended with exit code {code}"


def _alone(cell: Cell, scratch: Path, limits: Limits) -> None:
    """All that the process does: the cell on one thread, its output in its log; it ends when its parent does."""
    os.setpgid(0, 0)  # so that what it starts can be ended with it
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides what ends
    tqdm.set_lock(threading.RLock())  # the default one lies in shared memory, where a killed cell would leave it
    torch.set_num_threads(1)
    _log_everything(cell.path(scratch, "logs"))
    _limit_memory(limits)
    run_cell(cell, scratch)
    _explain_memory(cell.path(scratch, "cells"), limits)


def _log_everything(log: Path) -> None:
    """Also what compiled code writes, a crash's stack, and where the process stood when it was asked to end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    faulthandler.enable(file)
    faulthandler.register(signal.SIGTERM, file, chain=True)


def _limit_memory(limits: Limits) -> None:
    if sys.platform == "linux":
        most = limits.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _explain_memory(path: Path, limits: Limits) -> None:
    record = Record.load(path)
    if record.failed and any(sign in record.note for sign in OUT_OF_MEMORY):
        replace(record, note=f"needs more memory than a cell may use, {limits.memory_mb} MB ({record.note})").save(path)


def _end_with_parent(scratch: Path) -> None:
    """A run that is killed must not leave cells behind that go on computing beside the next run's."""
    if (parent := parent_process()) is not None:
        parent.join()
        shutil.rmtree(scratch, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)
