"""What a fit found, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from diml_inverse.estimate.estimate import Estimate
from diml_inverse.report.memory_words import memory_in_words

SMALLEST_SHARE = 0.01
LARGEST_GAME = 10_000  # profiles looked at for the level


def found_in_words(estimate: Estimate) -> Iterator[str]:
    """How the agents learn and what the payoffs are made of, a line each, where the fit had to find out."""
    info = estimate.info
    rows = info.get("learners", [])
    for row in (row for row in rows if row["chosen"]):
        yield f"learners: {row['member']} (best of {len(rows)} on held-out episodes), {estimate.dynamics}"
        yield "payoffs are in units of 1 / precision, which is not known: only their signs and ratios mean something"
    if rows:
        yield from level_in_words(estimate)
    if alike := info.get("not_told_apart"):
        yield f"not told apart from {', '.join(alike)} by held-out episodes: intervals hold the payoffs under each"
    yield from memory_in_words(info)
    if ends := info.get("at_edge"):
        yield f"fitted parameters at an end of their range: {', '.join(ends)}"
    if info.get("nothing_found"):
        yield "made of: nothing found; the play predicts no better than chance, and intervals are those of the prior"
    for kind in info.get("kinds", []):
        if kind["share_of_variance"] >= SMALLEST_SHARE:
            yield f"made of: {kind['kind']} ({kind['share_of_variance']:.0%} of the variance of payoff differences)"
    for family in (family for family in info.get("families", []) if family["chosen"]):
        yield f"family: {family['family']} (best of {len(info['families'])} on held-out episodes)"


def level_in_words(estimate: Estimate) -> Iterator[str]:
    """How large payoffs are on the whole beside their differences, of learners for whom the level matters.

    Who learns from its own payoffs alone comes to repeat whatever pays at all: such a model puts mere repetition into
    the level, and differences that are small beside it deserve no trust.
    """
    mechanism = estimate.mechanism
    if not estimate.dynamics.uses_actions or math.prod(mechanism.action_counts) > LARGEST_GAME:
        return
    grids = torch.meshgrid(*map(torch.arange, mechanism.action_counts), indexing="ij")
    profiles = torch.stack(grids, -1).reshape(-1, mechanism.num_agents).to(mechanism.device)
    with torch.no_grad():
        level = float(mechanism(profiles).double().mean())
    differences = float(estimate.payoff_differences(profiles).double().square().nanmean().sqrt())
    yield (
        f"level of payoffs: {level:.3g} in the mean, beside differences of {differences:.3g} (root mean square); under "
        "this model of learning a level above zero makes agents repeat what they did"
    )
