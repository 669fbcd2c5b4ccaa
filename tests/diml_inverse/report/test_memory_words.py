"""What is said of the learners' memory."""

from __future__ import annotations

from typing import Any

from diml_inverse.report.memory_words import memory_in_words

LAST = {"memory": "own payoff, by the last profile", "knows": "the last profile", "behind": 0.0, "standard_error": 0.0}
NONE = {"memory": "own payoff", "knows": None, "behind": 0.02, "standard_error": 0.004}


def rows(as_well: bool) -> list[dict[str, Any]]:
    chosen = {**LAST, "chosen": True, "as_well": True, "agreement": 1.0, "own_recovery": 0.97}
    return [chosen, {**NONE, "chosen": False, "as_well": as_well, "agreement": 0.8, "own_recovery": None}]


def test_departures_are_named() -> None:
    said = list(memory_in_words({"states": rows(False), "learner_parameters": {"inertia": 0.2}}))
    assert said == [
        "choices depend on the last profile beyond what was learnt without it (0.02 +- 0.004 nats a choice of people "
        "left out)",
        "play drawn from the model leads back to its payoffs to 0.97",
        "agents keep their last action more often than learnt: without a thought in 20% of choices",
    ]


def test_what_cannot_be_told_apart_is_shown_with_the_agreement_of_payoffs() -> None:
    states = rows(True)
    states[1]["behind"] = 0.001
    said = list(memory_in_words({"states": states}))
    assert not any("beyond" in line for line in said)
    assert "not told apart: own payoff; its payoffs agree to 0.80 (1: the same but for their unit)" in said


def test_nothing_is_said_where_nothing_was_searched_and_too_little_play_is() -> None:
    assert list(memory_in_words({})) == []
    assert list(memory_in_words({"too_short": "too little"})) == ["too little"]
