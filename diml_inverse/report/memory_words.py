"""What a fit found of the learners' memory, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SURELY = 2.0  # standard errors
MUCH_INERTIA = 0.05


def memory_in_words(info: Mapping[str, Any]) -> Iterator[str]:
    """A line for each departure from learners without memory, and for what play cannot tell.

    info: of an estimate by `MemorySearch` or `DIML("auto", "auto")`; nothing where neither has searched.
    """
    states = info.get("states", [])
    for row in (row for row in states if row["chosen"]):
        yield from _of_the_chosen(row, states)
    inertia = info.get("learner_parameters", {}).get("inertia", 0.0)
    if isinstance(inertia, float) and inertia > MUCH_INERTIA:
        yield f"agents keep their last action more often than learnt: without a thought in {inertia:.0%} of choices"
    if short := info.get("too_short"):
        yield short


def _of_the_chosen(chosen: Mapping[str, Any], states: list[Mapping[str, Any]]) -> Iterator[str]:
    without = [row for row in states if row["knows"] is None]
    best = min(without, key=lambda row: row["behind"], default=None)
    if chosen["knows"] and best and best["behind"] - chosen["behind"] > SURELY * best["standard_error"]:
        gain = f"{best['behind']:.2g} +- {best['standard_error']:.1g} nats a choice of people left out"
        yield f"choices depend on {chosen['knows']} beyond what was learnt without it ({gain})"
    for row in states:
        if row["as_well"] and not row["chosen"]:
            same = f"its payoffs agree to {row['agreement']:.2f} (1: the same but for their unit)"
            yield f"not told apart: {row['memory']}; {same}"
    if chosen.get("own_recovery") is not None:
        yield f"play drawn from the model leads back to its payoffs to {chosen['own_recovery']:.2f}"
