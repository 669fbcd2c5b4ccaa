"""What a cell may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of each cell.

    Attributes:
        seconds: from the start of its process to the last score.
        memory_mb: of data that it allocates (`RLIMIT_DATA`: what libraries map from files is not counted). Kept to on
            Linux only.
    """

    seconds: float = 3600.0
    memory_mb: int = 8192
