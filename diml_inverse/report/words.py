"""What a fit found, in words."""

from __future__ import annotations

from collections.abc import Iterator

from diml_inverse.estimate.estimate import Estimate

SMALLEST_SHARE = 0.01


def found_in_words(estimate: Estimate) -> Iterator[str]:
    """How the agents learn and what the payoffs are made of, a line each, where the fit had to find out."""
    info = estimate.info
    rows = info.get("learners", [])
    for row in (row for row in rows if row["chosen"]):
        yield f"learners: {row['member']} (best of {len(rows)} on held-out episodes), {estimate.dynamics}"
        yield "payoffs are in units of 1 / precision, which is not known: only their signs and ratios mean something"
    if alike := info.get("not_told_apart"):
        yield f"not told apart from {', '.join(alike)} by held-out episodes: intervals hold the payoffs under each"
    if ends := info.get("at_edge"):
        yield f"fitted parameters at an end of their range: {', '.join(ends)}"
    if info.get("nothing_found"):
        yield "made of: nothing found; the play predicts no better than chance, and intervals are those of the prior"
    for kind in info.get("kinds", []):
        if kind["share_of_variance"] >= SMALLEST_SHARE:
            yield f"made of: {kind['kind']} ({kind['share_of_variance']:.0%} of the variance of payoff differences)"
    for family in (family for family in info.get("families", []) if family["chosen"]):
        yield f"family: {family['family']} (best of {len(info['families'])} on held-out episodes)"
