"""What `diml_inverse.inspect` finds in files made for it: faults found, false alarms, seconds.

    python benchmarks/inspection.py [--files 50] [--clean 200] [--seed 0]

Every file is play of a random game (2 or 3 agents, 2 to 4 actions each, payoffs normal) by learners with random
parameters (logit-Q, learning rate .1 to .6, precision 2 to 6, exploration .02 to .1): 8 to 40 episodes of 15 to 60
rounds. Then a fault is put in.
"""

from __future__ import annotations

import argparse
import collections
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from diml_inverse import Inspection, inspect

Frame = pd.DataFrame


def play(rng: np.random.Generator, script: str | None = None, shape: tuple[int, int] | None = None) -> Frame:
    """A long frame of play with its payoffs. script: the last seat makes the `same` moves, or `random` ones."""
    counts = rng.integers(2, 5, rng.integers(2, 4))
    episodes, rounds = shape or (int(rng.integers(8, 41)), int(rng.integers(15, 61)))
    payoffs = rng.normal(size=(*counts, len(counts)))
    rate, precision, exploration = rng.uniform(0.1, 0.6), rng.uniform(2, 6), rng.uniform(0.02, 0.1)
    moves = rng.integers(0, counts[-1], (1 if script == "same" else episodes, rounds))
    attractions = [np.zeros((episodes, count)) for count in counts]
    played = np.zeros((episodes, rounds, len(counts)), dtype=np.int64)
    for t in range(rounds):
        actions = np.stack([_choose(rng, precision * own, exploration) for own in attractions], axis=-1)
        if script:
            actions[:, -1] = moves[:, t]
        for i, count in enumerate(counts):
            index = [actions[:, j, None] for j in range(len(counts))]
            index[i] = np.arange(count)[None]
            attractions[i] += rate * (payoffs[(*index, i)] - attractions[i])
        played[:, t] = actions
    episode, time_, agent = np.indices(played.shape).reshape(3, -1)
    names = np.array([f"player_{i}" for i in range(len(counts))])
    earned = payoffs[tuple(np.moveaxis(played, -1, 0))]
    return pd.DataFrame(
        {"episode": episode, "round": time_, "agent": names[agent], "action": played.ravel(), "payoff": earned.ravel()}
    )


def _choose(rng: np.random.Generator, logits: Any, exploration: float) -> Any:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    chances = (1 - exploration) * weights / weights.sum(-1, keepdims=True) + exploration / logits.shape[-1]
    return np.minimum((rng.random((len(chances), 1)) > chances.cumsum(-1)).sum(-1), logits.shape[-1] - 1)


def phantom(rng: np.random.Generator) -> Frame:
    """An agent with fewer actions than another, all called 0, 1, ...: which of them it has is not said."""
    while True:
        frame = play(rng)
        if frame.groupby("agent")["action"].nunique().nunique() > 1:
            return frame


def restarted(rng: np.random.Generator) -> Frame:
    """40 to 120 plays of 15 to 40 rounds joined into one episode."""
    frame = play(rng, shape=(int(rng.integers(40, 121)), int(rng.integers(15, 41))))
    rounds = frame["round"].max() + 1
    return frame.assign(round=frame["episode"] * rounds + frame["round"], episode=0)


def counter_restarts(rng: np.random.Generator) -> Frame:
    """Three plays under each label, the round counted from 0 in each."""
    frame = play(rng)
    return frame.assign(episode=frame["episode"] // 3)


def exchanged(rng: np.random.Generator) -> Frame:
    """The columns of episode and round exchanged, both numbers."""
    return play(rng).rename(columns={"episode": "round", "round": "episode"})


def exchanged_names(rng: np.random.Generator) -> Frame:
    """The same with runs that are called by text."""
    frame = play(rng)
    return frame.assign(round="run " + frame["episode"].astype(str), episode=frame["round"])


def round_called_episode(rng: np.random.Generator) -> Frame:
    """The round's column called `episode`, the run's `run`."""
    return play(rng).rename(columns={"episode": "run", "round": "episode"})


def long_play(rng: np.random.Generator) -> Frame:
    """Nothing wrong: one or two episodes of 600 to 2,500 rounds."""
    return play(rng, shape=(int(rng.integers(1, 3)), int(rng.integers(600, 2501))))


def costs(rng: np.random.Generator) -> Frame:
    """Payoffs recorded with the opposite sign."""
    frame = play(rng)
    return frame.assign(payoff=-frame["payoff"])


def labels_in_two_spellings(rng: np.random.Generator) -> Frame:
    """One action in twenty with a blank behind it."""
    frame = play(rng)
    text = frame["action"].map("abcd".__getitem__)
    return frame.assign(action=text.where(rng.random(len(text)) > 0.05, text + " "))


FAULTS: dict[str, tuple[Callable[[np.random.Generator], Frame], str]] = {
    "scripted seat, same moves": (lambda rng: play(rng, "same"), "scripted_seat"),
    "scripted seat, random moves": (lambda rng: play(rng, "random"), "scripted_seat"),
    "costs": (costs, "costs"),
    "phantom labels": (phantom, "others_actions"),
    "restarts, rounds counted on": (restarted, "restarts"),
    "restarts, rounds counted anew": (counter_restarts, "restarts"),
    "exchanged columns, numbers": (exchanged, "exchanged_columns"),
    "exchanged columns, text": (exchanged_names, "exchanged_columns"),
    "round called episode": (round_called_episode, "exchanged_columns"),
    "two spellings": (labels_in_two_spellings, "near_duplicate_labels"),
}


def look(frame: Frame) -> Inspection:
    """With the payoffs that were recorded."""
    return inspect(frame, payoffs="payoff")


def found(make: Callable[[np.random.Generator], Frame], kind: str, files: int, seed: int) -> float:
    """Share of the files in which a finding of that kind was made."""
    return float(np.mean([kind in look(make(np.random.default_rng([seed, i]))).kinds for i in range(files)]))


def told_too_short(files: int, seed: int) -> float:
    """Share of files with a seat of random moves in which it is named, or said to need more play to tell."""
    shares = [
        {"scripted_seat", "too_short_to_tell"} & set(look(play(np.random.default_rng([seed, i]), "random")).kinds)
        for i in range(files)
    ]
    return float(np.mean([bool(share) for share in shares]))


def alarms(files: int, seed: int, make: Callable[[np.random.Generator], Frame] = play) -> collections.Counter[str]:
    """Of each kind, the number of clean files with such a finding; `any`: of more than a note."""
    counted: collections.Counter[str] = collections.Counter()
    for i in range(files):
        inspection = look(make(np.random.default_rng([seed, i])))
        told = {finding.kind for finding in inspection.findings if finding.kind != "others_actions"}
        counted.update(told)
        counted["any"] += any(finding.severity != "note" for finding in inspection.findings)
    return counted


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("fault,found")
    for name, (make, kind) in FAULTS.items():
        print(f'"{name}",{found(make, kind, asked.files, asked.seed):.2f}', flush=True)
    short = told_too_short(asked.files, asked.seed)
    print(f'"scripted seat, random moves, or told how much play it takes",{short:.2f}')
    for what, make, files in (("", play, asked.clean), ("long ", long_play, asked.clean // 5)):
        wrong = alarms(files, asked.seed + 1, make)
        share = wrong["any"] / files
        print(f"false alarms in {files} clean {what}files: {wrong['any']} ({share:.3f}); of each kind: {dict(wrong)}")
    frame = play(np.random.default_rng(0), shape=(100, 60))
    start = time.process_time()
    look(frame)
    print(f"{len(frame)} rows: {time.process_time() - start:.2f} CPU seconds")


if __name__ == "__main__":
    main()
