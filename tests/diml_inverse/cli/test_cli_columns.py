"""Columns of persons, matches and the other's choice, and given agents, from the command line."""

from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

from diml_envs import Traces
from diml_inverse.cli.options import Columns, column_options
from diml_inverse.cli.plays import groups_of, read_plays
from diml_inverse.cli.truth import truth_from_payoffs

STRANGERS = pd.DataFrame(
    [
        (session, period, group, seat, subject, (subject + period) % 2, session * 10)
        for session in (1, 2)
        for period, pairs in enumerate([[(1, 2), (3, 4)], [(1, 3), (2, 4)], [(1, 4), (3, 2)]])
        for group, pair in enumerate(pairs)
        for seat, subject in zip("xy", pair, strict=True)
    ],
    columns=["session", "period", "group", "seat", "subject", "choice", "treatment"],
)
OPTIONS = "--episode-column session --round-column period --match-column group --agent-column seat"
OPTIONS += " --person-column subject --action-column choice"


def columns_of(options: str) -> Columns:
    found: list[Columns] = []
    command = click.command()(column_options(lambda columns: found.append(columns)))
    command.main(options.split(), standalone_mode=False)
    return found[0]


def test_options_name_the_columns() -> None:
    assert columns_of("") == Columns()
    assert columns_of(OPTIONS) == Columns("session", "period", "seat", "choice", "subject", "session", "group")
    assert columns_of("--given a --given b").given == ("a", "b")
    assert columns_of("--person-column=").person is None


def test_a_file_of_strangers_and_its_groups(tmp_path: Path) -> None:
    STRANGERS.to_csv(tmp_path / "plays.csv", index=False)
    columns = columns_of(OPTIONS)
    traces = read_plays(tmp_path / "plays.csv", columns)
    assert len(traces.person_labels) == 8
    assert len(traces) == 12
    groups = groups_of(tmp_path / "plays.csv", "treatment", columns, traces)
    assert {name: len(part.person_labels) for name, part in groups.items()} == {"10": 4, "20": 4}
    frame = STRANGERS.assign(pay=STRANGERS["choice"] * 2.0).astype({"choice": str})
    payoffs = truth_from_payoffs(frame, "pay", columns, traces).mechanism
    np.testing.assert_array_equal(payoffs(torch.tensor([1, 0])).detach(), [2, 0])


def test_each_persons_rows_are_an_episode_where_only_he_is_known(tmp_path: Path) -> None:
    STRANGERS.assign(theirs=0, place="lab").to_csv(tmp_path / "plays.csv", index=False)
    columns = columns_of(OPTIONS.replace("--match-column group --agent-column seat", "--other-column theirs"))
    traces = read_plays(tmp_path / "plays.csv", columns)
    assert traces.given == ("other",)
    assert set(groups_of(tmp_path / "plays.csv", "treatment", columns, traces)) == {"10", "20"}
    frame = STRANGERS.assign(theirs=1 - STRANGERS["choice"], pay=STRANGERS["choice"] + 5.0)
    frame = frame.astype({name: str for name in frame.columns if name != "pay"})
    both = Traces.from_frame(STRANGERS.assign(theirs=1 - STRANGERS["choice"]), **columns.reading())
    truth = truth_from_payoffs(frame, "pay", columns, both)
    np.testing.assert_array_equal(truth.mechanism(torch.tensor([[0, 1], [1, 0]])).detach(), [[5, np.nan], [6, np.nan]])
    assert truth.unpaid == ("other",)


def test_given_agents_of_a_file_that_keeps_everything(tmp_path: Path) -> None:
    Traces([[[0, 1], [1, 0]]]).save(tmp_path / "plays.nc")
    assert read_plays(tmp_path / "plays.nc", columns_of("--given agent_1")).given == ("agent_1",)
