"""Cells on the machines of a Ray cluster, each contained there as it would be here."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from diml_inverse.benchmark.running.cells import Cell, Record
from diml_inverse.benchmark.running.contained import WATCHED_EVERY, Files, Interrupted, contained
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.threads import one_thread

HERE = "local"  # the address of a cluster to be started on this machine
ANSWERS_WITHIN = 20.0  # seconds


class Cluster(NamedTuple):
    """place: as `contained`. cores: of all machines together."""

    place: Callable[[Cell, Limits, threading.Event], Files]
    cores: int


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Connect to a cluster, all of whose machines have this program installed.

    Args:
        address: of its head (`10.0.0.1:6379`), `auto` for the one that runs on this machine, `local` to start one.

    Raises:
        ValueError: Ray is not installed.
        ConnectionError: no cluster there.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError("a cluster needs Ray: pip install 'diml[cluster]'") from error
    _check_answers(address)
    where: dict[str, Any] = {"include_dashboard": False} if address == HERE else {"address": address}
    ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    try:
        remote = ray.remote(num_cpus=1, max_retries=0)(_on_one_thread)
        yield Cluster(
            lambda cell, limits, ends: _there(remote, cell, limits, ends), int(ray.cluster_resources()["CPU"])
        )
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself tries an address where nobody answers for ten minutes and more."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # `auto`, `local`, or for Ray to refuse
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address}: {error}") from error


def _on_one_thread(cell: Cell, limits: Limits) -> Files:
    with one_thread():
        return contained(cell, limits)


def _there(remote: Any, cell: Cell, limits: Limits, ends: threading.Event) -> Files:
    import ray

    reference = remote.remote(cell, limits)
    while not ends.is_set():
        done, _ = ray.wait([reference], timeout=WATCHED_EVERY)
        if done:
            try:
                files: Files = ray.get(reference)
                return files
            except ray.exceptions.RayError as error:  # the machine or its worker is gone
                return {"cells": Record.empty(cell, "error", f"on the cluster: {type(error).__name__}").as_bytes()}
    ray.cancel(reference, force=True)
    raise Interrupted
