"""A process that reads files for the fuzz tests: what crashes it, hangs it or fills its memory is found from outside.

A line of JSON in, [reader, path]; a line of JSON out: {"error": "..."} where the file was refused as it should be,
{"read": "..."} where the answer is right, {"fault": "..."} else.
"""

import json
import os
import pickle
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diml_envs import Traces
from diml_inverse import Estimate
from diml_inverse.benchmark.running import suites
from diml_inverse.benchmark.tasks import answers

MOST_MEMORY = 4 * 2**30  # bytes of addresses; torch alone takes one and a half
CODE = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")


def read_traces(path: Path) -> Traces:
    """What was read can be written and read again."""
    found = Traces.load(path)
    again = path.with_name("again.nc")
    found.save(again)
    assert Traces.load(again) == found, "written and read again it differs"
    return found


def read_estimate(path: Path) -> Estimate:
    """What was read is whole: it has payoffs for every profile, or says which it lacks."""
    found = Estimate.load(path)
    assert len(found.agents) == found.mechanism.num_agents, "agents of another number than the mechanism's"
    counts = tuple(map(len, found.action_labels))
    assert counts == found.mechanism.action_counts, f"labels of {counts} actions, not {found.mechanism.action_counts}"
    found.payoff_differences([0] * len(counts))
    return found


def read_suite(path: Path) -> Any:
    """What was read names tasks and estimators that there are."""
    found = suites.read_suite(path)
    assert found.tasks, "no tasks"
    assert found.estimators, "no estimators"
    assert set(found.quick) <= set(found.tasks), "quick tasks that are no tasks"
    return sorted(found.tasks), [entry.name for entry in found.estimators], found.seeds


def read_answer(path: Path) -> Any:
    """Probabilities are probabilities, payoff differences numbers."""
    found = answers.read_answer(path, ANSWERED)
    if isinstance(found, answers.GivenChoices):
        rows = found.probs[:, 1:][ANSWERED.observed[:, 1:]]
        assert ((rows >= 0) & (rows <= 1)).all(), "no probabilities"
        assert (abs(rows.sum(-1) - 1) < 1e-3).all(), "probabilities do not add up"
    return type(found).__name__


ANSWERED = Traces([[[0, 1], [1, 0], [1, 1]], [[0, 0], [1, -1], [0, 1]]], action_labels=[["a", "b"], [1, 2]])

# Every reader of files that users bring is here; a new one needs a line, and a strategy in test_readers.py.
READERS: dict[str, Callable[[Path], Any]] = {
    "traces": read_traces,
    "estimate": read_estimate,
    "suite": read_suite,
    "answer": read_answer,
}

# What no reader may do, to see that it would be noticed.
READERS["runs a command"] = lambda path: os.system("true")
READERS["unpickles"] = lambda path: pickle.loads(pickle.dumps(len))


def judged(reader: str, path: Path) -> dict[str, str]:
    ran.clear()
    try:
        found = READERS[reader](path)
    except (ValueError, FileNotFoundError) as error:
        clear = str(path) in str(error) and len(str(error)) < 10_000
        verdict = {"error": str(error)} if clear else {"fault": f"an error that is not clear: {error!r}"}
    except BaseException as error:
        verdict = {"fault": f"{type(error).__name__}: {error}"}
    else:
        verdict = {"read": repr(found)}
    return {"fault": f"it made {ran[0]} happen"} if ran else verdict


def warm_up(path: Path) -> None:
    """Write and read once, so that what libraries do at their first use is done."""
    Traces([[[0, 1]]]).save(path)
    read_traces(path)


ran: list[str] = []

if __name__ == "__main__":
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warm_up(Path(sys.argv[1]))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes elsewhere
    sys.addaudithook(lambda event, _: ran.append(event) if event in CODE else None)
    for line in sys.stdin:
        reader, path = json.loads(line)
        print(json.dumps(judged(reader, Path(path))), file=replies, flush=True)
