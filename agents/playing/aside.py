"""Code that cannot yield, made to take turns: it runs on a thread of its own, but only while its caller waits."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator


class Randomness:
    """A state of the global generators (torch on the CPU, numpy, random), in force within `with`.

    It starts as what is in force when it is made, except numpy's, which should be seeded first.
    """

    def __init__(self) -> None:
        self._torch, self._python = torch.get_rng_state(), random.getstate()
        self._numpy: np.random.BitGenerator = np.random.MT19937()

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(self, *error: object) -> None:
        self._exchange()

    def _exchange(self) -> None:
        outer = torch.get_rng_state(), get_bit_generator(), random.getstate()
        torch.set_rng_state(self._torch)
        set_bit_generator(self._numpy)  # the generator itself: its state takes far longer to copy
        random.setstate(self._python)
        self._torch, self._numpy, self._python = outer


class _Stop(BaseException):
    """Unwinds the thread of an `Aside` that nobody will resume."""


class Aside:
    """Runs `function(first)` in turns with the caller, which never runs at the same time.

        caller:    received = aside.resume(sent)      until the function hands over, or ends
        function:  sent = aside.hand_over(received)   until the caller resumes

    Args:
        function: is given what the first `resume` sends.
        randomness: in force while the function runs, and then put aside, so that neither side draws from the other's
            generators.
        name: of the thread, and named in errors.
    """

    def __init__(self, function: Callable[[Any], None], randomness: Randomness, name: str) -> None:
        self._function, self._randomness, self.name = function, randomness, name
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False
        self.ended = False

    def resume(self, sent: Any) -> Any:
        """Run the function until it hands over: what it hands over; None if it ends. Raises what it raises."""
        if self.ended:
            raise RuntimeError(f"{self.name} has ended and cannot be resumed")
        with self._randomness:
            try:
                if self._thread.ident is None:
                    self._thread.start()
                self._inbox.put(sent)
                received, error = self._outbox.get()
            except BaseException:  # Ctrl-C: the function still runs, and draws from the generators
                self.close()
                raise
        if error is not None:
            error.add_note(f"raised in {self.name}")
            raise error
        return received

    def hand_over(self, received: Any) -> Any:
        """Called by the function: let the caller go on, and wait to be resumed."""
        if not self._stopped:
            self._outbox.put((received, None))
            sent = self._inbox.get()
            self._stopped = sent is _Stop
        if self._stopped:
            raise _Stop
        return sent

    def close(self) -> None:
        """Unwind the function where it waits, or as soon as it hands over, and end its thread."""
        self.ended = True
        if self._thread.is_alive():
            self._inbox.put(_Stop)
            self._thread.join()

    def _run(self) -> None:
        first, error = self._inbox.get(), None
        try:
            if first is not _Stop:
                self._function(first)
        except BaseException as raised:
            error = raised
        self.ended = True
        self._outbox.put((None, error))
