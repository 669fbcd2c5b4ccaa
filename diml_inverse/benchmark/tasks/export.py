"""A task as files, for methods that are not written in Python: what may be seen, and apart from it the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.benchmark.tasks.contexts import contexts_table, too_many
from diml_inverse.benchmark.tasks.task import Play, Task

SEEN, TRUTH = "play", "truth"
DIFFERENCES, CHOICES = "payoff_differences.csv", "choice_probabilities.csv"


def export_task(task: Task, seed: int, folder: Path) -> None:
    """Fill an empty folder.

    `play/`: `train.csv` and `test.csv` (episode, round, agent, action; an empty action was not observed), the same as
    `.nc`, `contexts.csv` (agent, others, action: where payoff differences are asked for) and `task.json` (what
    estimators are told). `truth/`: the two files that would be the best answer. In a crowd so large that its contexts
    would fill a disk they are left out, and only choices can be answered.

    Raises:
        ValueError: recorded plays that are not there.
    """
    play = task.play(seed)
    seen, truth = folder / SEEN, folder / TRUTH
    for made in (seen, truth):
        made.mkdir(parents=True)
    for name, traces in (("train", play.train), ("test", play.test)):
        for ending in (".csv", ".nc"):
            traces.save(seen / f"{name}{ending}")
    (seen / "task.json").write_text(json.dumps(_described(task, seed, play), indent=1) + "\n")
    if not too_many(play.test):
        contexts_table(play.test).to_csv(seen / "contexts.csv", index=False)
        contexts_table(play.test, play.truth).to_csv(truth / DIFFERENCES, index=False)
    if play.true_choice_probs is not None:
        choices_table(play.true_choice_probs, play.test).to_csv(truth / CHOICES, index=False)


def choices_table(probs: NDArray[np.float64], traces: Traces) -> pd.DataFrame:
    """Columns episode, round, agent, action, probability: rounds 1, 2, ... of each episode. probs: [E, T, N, A]."""
    exists = np.arange(probs.shape[-1]) < np.array(traces.action_counts)[:, None]
    played = np.arange(traces.num_rounds) < traces.lengths[:, None]
    asked = played[:, :, None, None] & exists
    asked[:, 0] = False
    episode, round_, agent, action = np.nonzero(asked)
    return pd.DataFrame(
        {
            "episode": [traces.episodes[e] for e in episode],
            "round": round_,
            "agent": [traces.agents[i] for i in agent],
            "action": [traces.action_labels[i][b] for i, b in zip(agent, action, strict=True)],
            "probability": probs[asked],
        }
    )


def _described(task: Task, seed: int, play: Play) -> dict[str, Any]:
    told = task.told
    return {
        "task": task.name,
        "about": task.about,
        "seed": seed,
        "agents": list(play.test.agents),
        "actions": dict(zip(play.test.agents, map(list, play.test.action_labels), strict=True)),
        "learners": None if told is None else {"dynamics": type(told).__name__, **told.config()},
        "metrics": list(task.metrics),
        "answers": {
            DIFFERENCES: "agent, others, action, payoff_difference: a row for each of contexts.csv; the payoff less "
            "its mean over the agent's actions there, 0 where nothing is known",
            CHOICES: "episode, round, agent, action, probability: of test.csv's episodes from round 1 on, each given "
            "the rounds before it",
        },
        "score": f"diml score {task.name} ANSWER.csv --seed {seed}",
    }
