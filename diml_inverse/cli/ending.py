"""Ctrl-C in a fit: the first ends it with the best found so far, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from diml_inverse.cli.output import note
from diml_inverse.recovered.course import Course, on


@contextmanager
def ends_early(course: Course) -> Iterator[None]:
    """What is fitted inside is on this course, and Ctrl-C ends the course before it ends the program."""

    def asked(number: int, frame: FrameType | None) -> Any:
        if course.interrupted:
            raise KeyboardInterrupt
        course.interrupted = True
        note("stopping: what was found so far will be kept; Ctrl-C again gives it up")

    before = signal.signal(signal.SIGINT, asked)
    try:
        with on(course):
            yield
    finally:
        signal.signal(signal.SIGINT, before)
