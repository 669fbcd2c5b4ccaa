"""Labels: the user's own names for episodes, agents and actions, what may serve as one, and their order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Label = str | int | float

LARGEST_INTEGER = 2**53  # beyond it a float, which CSV readers and other languages use, is no longer exact
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # breaks lines of a CSV, or is no text at all


def checked_labels(given: Iterable[Any], what: str) -> tuple[Label, ...]:
    """The labels as a tuple of plain Python values.

    Labels are distinct, and all text, all numbers or all truth values, so that they have an order and survive
    every file format.

    Args:
        given: labels; numpy scalars become Python ones.
        what: plural that names them in errors, as in "actions of agent 'player_0'".

    Raises:
        ValueError: one string instead of a sequence, a label that is none, mixed kinds, or repeated ones.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ValueError(f"{what} must be a list of labels; got {given!r}")
    labels = tuple(label.item() if isinstance(label, np.generic) else label for label in given)
    first_of_kind = {label_kind(label, what): label for label in reversed(labels)}
    if len(first_of_kind) > 1:
        mixed = ", ".join(f"{label!r} ({kind})" for kind, label in sorted(first_of_kind.items()))
        raise ValueError(f"{what} must be of one kind; got {mixed}: convert them to one, for instance to text")
    if len(set(labels)) != len(labels):
        raise ValueError(f"{what} must be distinct; {_first_repeated(labels)!r} occurs more than once")
    return labels


def label_kind(label: object, what: str) -> str:
    """ "text", "number" or "truth value"; ValueError for anything that cannot be a label."""
    if isinstance(label, bool):
        return "truth value"
    if isinstance(label, int | float):
        if not math.isfinite(label) or (isinstance(label, int) and abs(label) > LARGEST_INTEGER):
            raise ValueError(f"{what}: the number {label!r} cannot be a label; use a finite one up to 2**53, or text")
        return "number"
    if not isinstance(label, str):
        raise ValueError(
            f"{what} must be text, whole numbers, floats or truth values; got {label!r} "
            f"({type(label).__name__}): convert them, for instance with str"
        )
    if not label or _UNWRITABLE.search(label):
        problem = "holds a control character or broken Unicode" if label else "is empty"
        raise ValueError(f"{what}: the label {label!r} {problem}; give it a readable name")
    return "text"


def in_order(labels: Iterable[Label]) -> list[Label]:
    """Labels of one kind, sorted: numbers by value, text by letter with digits in it read as numbers."""
    return sorted(labels, key=lambda label: _natural(label) if isinstance(label, str) else label)


def _natural(text: str) -> tuple[list[Any], str]:
    # agent_2 comes before agent_10. Digits are compared by length, then as text: int() refuses very long ones.
    parts: list[Any] = re.split(r"([0-9]+)", text)
    parts[1::2] = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return parts, text


def _first_repeated(labels: tuple[Label, ...]) -> Label:
    seen: set[Label] = set()
    return next(label for label in labels if label in seen or seen.add(label))  # type: ignore[func-returns-value]


def play_in_words(
    agents: Sequence[str], action_labels: Sequence[Sequence[Label]], profile: Iterable[int], left_out: int
) -> str:
    """What all agents but one do in a profile, `student=honest;...`; the one's own action may be any number."""
    named = enumerate(zip(agents, action_labels, profile, strict=True))
    return ";".join(f"{name}={labels[own]}" for j, (name, labels, own) in named if j != left_out)
