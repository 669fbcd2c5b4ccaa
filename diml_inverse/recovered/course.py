"""The course of a fit: until when it may go on, and what a person at a terminal is told meanwhile.

Estimators ask `current()`, so that a limit need not be handed through everything that a fit is made of. Whoever is over
its time ends with the best found so far, and says so in `info["stopped"]`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm


@dataclass
class Course:
    """One fit under way.

    Attributes:
        seconds: after which it has to come to an end; infinite for no limit.
        interrupted: whether somebody asked for the end.
        progress: show on stderr what is being tried and how far it is, if that is a terminal.
    """

    seconds: float = math.inf
    interrupted: bool = False
    progress: bool = False
    begun: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether it is time to end."""
        return self.interrupted or time.monotonic() - self.begun >= self.seconds

    @property
    def why(self) -> str:
        """Why it is over, in words."""
        return "interrupted" if self.interrupted else f"time limit of {self.seconds:g} s"

    @contextmanager
    def stages(self, total: int, unit: str, show: bool = False) -> Iterator[Stages]:
        """A bar with the time left, for so many steps. show: also if the course itself shows nothing."""
        hidden = not ((self.progress or show) and sys.stderr.isatty())
        with tqdm(total=total, unit=unit, disable=hidden, leave=False) as bar:
            yield Stages(bar)


class Stages:
    """Steps of a fit, shown as they are done."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar

    def begin(self, what: str) -> None:
        """Say what is being tried."""
        self._bar.set_description(what)

    def done(self, facts: Mapping[str, Any] | None = None) -> None:
        """A step more is done."""
        self._bar.update()
        if facts:
            self._bar.set_postfix(facts, refresh=False)

    def skip_to(self, step: int) -> None:
        """Steps up to this one need not be done."""
        self._bar.update(step - self._bar.n)


_current: ContextVar[Course] = ContextVar("course")


def current() -> Course:
    """The course that the caller is on; one without limits if there is none."""
    return _current.get(Course())


@contextmanager
def on(course: Course) -> Iterator[Course]:
    """Fits inside are on this course."""
    token = _current.set(course)
    try:
        yield course
    finally:
        _current.reset(token)
