"""`diml inspect`: what it prints, its exit codes; and the options that change what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from diml_envs import Traces
from diml_inverse import inspect
from diml_inverse.cli import main
from diml_inverse.cli.candidates import make_estimator
from diml_inverse.cli.options import Columns, column_options
from diml_inverse.cli.plays import read_plays
from diml_inverse.dynamics import LogitDynamics

LABELS = ("C", "D", "C", "D", "D", "C")


def frame_of(labels: dict[str, list[Any]], num_episodes: int = 3) -> pd.DataFrame:
    rows = [
        (e, t, agent, own[(t + e * (i + 2)) % len(own)])
        for e in range(num_episodes)
        for t in range(12)
        for i, (agent, own) in enumerate(labels.items())
    ]
    return pd.DataFrame(rows, columns=["episode", "round", "agent", "action"])


def written(folder: Path, frame: pd.DataFrame, separator: str = ",") -> Path:
    frame.to_csv(folder / "plays.csv", index=False, sep=separator)
    return folder / "plays.csv"


def diml(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def columns_of(*options: str) -> Columns:
    found: list[Columns] = []
    command = click.command()(column_options(lambda columns: found.append(columns)))
    command.main(list(options), standalone_mode=False)
    return found[0]


@pytest.mark.parametrize(
    ("labels", "code", "kind"),
    [
        (list(LABELS), 0, None),
        (["C", "D", "c", "D", "D", "C"], 1, "near_duplicate_labels"),
        (["C"], 2, "no_choice"),
    ],
)
def test_exit_codes_and_json(tmp_path: Path, labels: list[str], code: int, kind: str | None) -> None:
    path = written(tmp_path, frame_of({"a": labels, "b": labels[:1] if code == 2 else list(LABELS)}))
    said, as_json = diml("inspect", path), diml("inspect", path, "--json")
    assert (said.exit_code, as_json.exit_code) == (code, code)
    facts = json.loads(as_json.stdout)
    assert set(facts) == {"read", "findings", "given", "exit_code"}
    assert facts == json.loads(inspect(path).to_json())
    assert facts["exit_code"] == code
    assert facts["read"]["episodes"] == 3
    assert said.stdout.startswith("3 episodes of 12 rounds, 2 agents\n  a: ")
    kinds = [found["kind"] for found in facts["findings"] if found["severity"] != "note"]
    assert kinds == ([] if kind is None else [kind])


def test_what_cannot_be_read_ends_in_two(tmp_path: Path) -> None:
    assert diml("inspect", tmp_path / "none.csv").exit_code == 2
    (tmp_path / "short.csv").write_text("episode,round,agent,action\n0,0,a\n")
    result = diml("inspect", tmp_path / "short.csv")
    assert result.exit_code == 2
    assert "row 2" in result.stdout
    json.loads(diml("inspect", tmp_path / "short.csv", "--json").stdout)


@pytest.mark.parametrize(("sign", "code"), [(1.0, 0), (-1.0, 1)])
def test_payoffs_that_look_like_costs_are_a_decision(tmp_path: Path, sign: float, code: int) -> None:
    """The second comes to agree with the first, 20 x 12 rounds; agreeing pays 1, or costs it."""
    rng = np.random.default_rng(0)
    frame = frame_of({"a": list(LABELS), "b": list(LABELS)}, num_episodes=20)
    agreed = rng.random((20, 12)) < np.minimum(0.1 * np.arange(12), 0.9)
    first = rng.integers(0, 2, (20, 12))
    first[:, 6:] = first[:, 5:6]
    both = np.stack([first, np.where(agreed, first, 1 - first)], axis=-1)
    frame["action"] = np.array(["C", "D"])[both.ravel()]
    paid = sign * (both[..., :1] == both[..., 1:]).repeat(2, -1).ravel()
    result = diml("inspect", written(tmp_path, frame.assign(paid=paid)), "--payoff-column", "paid")
    assert result.exit_code == code, result.output
    assert ("decision: 'b': the higher the recorded payoff" in result.stdout) == (code == 1)


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (",", None)])
def test_other_separators_are_told(tmp_path: Path, separator: str, word: str | None) -> None:
    result = diml("inspect", written(tmp_path, frame_of({"a": list(LABELS), "b": list(LABELS)}), separator))
    assert result.exit_code == 0
    assert (f"note: columns are read as separated by {word}" in result.stdout) == (word is not None)
    assert ("separated" in result.stdout) == (word is not None)


def test_options_change_what_is_read(tmp_path: Path) -> None:
    """Each beside the same in Python."""
    path = written(tmp_path, frame_of({"a": ["C", "c ", "D", "NA"], "b": ["C", "D"]}))
    both = ("--merge-labels", "--missing", "NA", "--actions", "b=C,D,E", "--cut", "6")
    found = read_plays(path, columns_of(*both))
    assert found.action_labels == (("C", "D"), ("C", "D", "E"))
    assert found.lengths.tolist() == [6] * 6
    assert (~found.observed[..., 0]).sum() == 9
    changes: dict[str, Any] = {"merge_labels": True, "missing": ["NA"], "action_labels": {"b": ["C", "D", "E"]}}
    assert found == Traces.from_frame(pd.read_csv(path, keep_default_na=False), cut=6, **changes)


def test_amounts_are_put_into_bins(tmp_path: Path) -> None:
    path = written(tmp_path, frame_of({"a": [0.1, 0.2, 0.3, 0.4], "b": [0.15, 0.25, 0.35, 0.45]}))
    assert len(read_plays(path, columns_of("--bins", "2")).action_labels[0]) == 2
    widths = read_plays(path, columns_of("--bins", "width=0.25")).action_labels[0]
    assert widths == ("0.00 to 0.25", "0.25 to 0.50")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--actions", "b"], "--actions takes AGENT=A,B,...; got 'b'"),
        (["--actions", "x=C,D"], "'x'"),
        (["--bins", "one"], "bins must be a number from 2 to 1000"),
        (["--bins", "2"], "bins are for actions that are numbers"),
        (["--cut", "often"], "cut must be 'restart' or a number of rounds; got 'often'"),
        (["--actions", "b=C"], "agent 'b' played 'D', which its action_labels ['C'] lack"),
        (["--given", "x"], "given names 'x', which is no agent; agents are 'a', 'b'"),
    ],
)
def test_options_that_do_not_fit_the_file(tmp_path: Path, options: list[str], message: str) -> None:
    path = written(tmp_path, frame_of({"a": list(LABELS), "b": list(LABELS)}))
    result = diml("fit", path, "-o", tmp_path / "fit", *options)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in result.stderr
    assert not (tmp_path / "fit").exists()


def test_a_form_that_agents_share_says_how_to_declare_their_actions() -> None:
    """Fault: own actions are per agent in a file, so that --mechanism congestion was refused with numbers alone."""
    traces = Traces([[[0, 0], [1, 1], [0, 2]]], action_labels=[["x", "y"], ["x", "y", "z"]])
    with pytest.raises(click.ClickException, match=r"'agent_0' took x,y alone.*--actions agent_0=x,y,z"):
        make_estimator("congestion", LogitDynamics(0.25, 1.0, 0.02), traces, 0)
    apart = Traces([[[0, 0], [1, 1]]], action_labels=[["x", "y"], ["y", "z"]])
    with pytest.raises(click.ClickException, match="'agent_0' took x,y alone"):
        make_estimator("anonymous", LogitDynamics(0.25, 1.0, 0.02), apart, 0)
