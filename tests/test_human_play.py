"""The example of human play: on small files of the same format, and on the recorded play where it is there."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from places import ROOT

from diml_envs import check_mechanism

DATA = ROOT.parent / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.exists(), reason="the recorded human play is not beside this repository")

ROLES = {"examiner": ["trust", "control"], "student": ["honest", "cheat"]}
DILEMMA = ["defect", "cooperate"]
POINTS = {"trust,honest": [14, 14], "control,honest": [11, 10], "trust,cheat": [3, 16], "control,cheat": [12, 2]}
REWARDS = (32, 40, 48)


def points(reward: int) -> dict[str, list[int]]:
    rest = {"cooperate,defect": [12, 50], "defect,cooperate": [50, 12], "defect,defect": [25, 25]}
    return {"cooperate,cooperate": [reward, reward], **rest}


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "examples"))
    yield importlib.import_module("human_play")
    sys.path.remove(str(ROOT / "examples"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs inspect each other; two sessions a reward, of three supergames each, play the dilemma. Random play."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    rows = [
        (f"pair{pair:02}", round_, agent, labels[rng.integers(2)])
        for pair in range(6)
        for round_ in range(9)
        for agent, labels in ROLES.items()
    ]
    write(path / "inspection_game", rows, ["episode", "round", "agent", "action"], ROLES, POINTS)
    rows = [
        (f"g{2 * (3 * session + match)}", round_, f"player_{seat}", DILEMMA[rng.integers(2)], REWARDS[session % 3])
        for session in range(6)
        for match in range(3)
        for round_ in range(5 + match)
        for seat in range(2)
    ]
    columns = ["episode", "round", "agent", "action", "reward_cc"]
    write(path / "repeated_pd", rows, columns, DILEMMA, {str(reward): points(reward) for reward in REWARDS})
    return path


def write(folder: Path, rows: list, columns: list[str], actions: object, payoffs: object) -> None:
    folder.mkdir()
    pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=0).to_csv(folder / "plays.csv", index=False)
    names = list(actions) if isinstance(actions, dict) else ["player_0", "player_1"]
    (folder / "truth.json").write_text(json.dumps({"agents": names, "actions": actions, "payoffs": payoffs}))


def run(example: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["human_play.py", *map(str, arguments)])
    example.main()


def test_tables_and_picture_of_small_files(
    example: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = ("logit-Q", "Hedge")
    run(example, monkeypatch, folder, "-o", tmp_path, "--members", *members)
    games = ["inspection", "dilemma 32", "dilemma 40", "dilemma 48"]
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores["game"].unique()) == games
    assert np.allclose(scores.loc[scores["model"] == "uniform", "nats"], -np.log(2))
    assert set(scores["chosen"].dropna().str.split("; ").explode()) <= set(members)
    assert scores.groupby("game")["groups"].first().to_dict() == {**dict.fromkeys(games, 2), "inspection": 6}
    assert set(pd.read_csv(tmp_path / "members.csv")["member"]) == set(members)
    payoffs = pd.read_csv(tmp_path / "payoffs.csv")
    assert (payoffs["low"] <= payoffs["recovered"]).all()
    order = pd.read_csv(tmp_path / "order.csv")
    assert order["p_value"].between(0, 1).all()
    assert len(order) == 4 * 3
    assert (tmp_path / "human_play.png").stat().st_size > 10_000


def test_games_are_read_as_they_were_played(example: ModuleType, folder: Path) -> None:
    inspection = example.inspection_game(folder / "inspection_game")
    assert inspection.money[1, 0].tolist() == POINTS["control,honest"]
    assert example.gaps(example.TabularMechanism.from_payoffs(inspection.money)).tolist() == [[3, -2], [-9, 8]]
    dilemmas = list(example.dilemmas(folder / "repeated_pd"))
    assert [sorted(set(game.people)) for game in dilemmas] == [[1, 4], [2, 5], [3, 6]]
    by_label = dict(zip(dilemmas[1].traces.episodes, dilemmas[1].people, strict=True))
    assert by_label == {"g6": 2, "g8": 2, "g10": 2, "g24": 5, "g26": 5, "g28": 5}
    for game, reward in zip(dilemmas, REWARDS, strict=True):
        money = example.TabularMechanism.from_payoffs(game.money)
        assert example.gaps(money).tolist() == [[13, 13], [50 - reward] * 2]


def test_money_is_a_mechanism_whose_weight_scales_gaps(example: ModuleType) -> None:
    from human_play_models import Money  # only now is its folder on the path

    payoffs = np.random.default_rng(0).normal(size=(2, 2, 2))
    money = Money(payoffs)
    money.weight.data = torch.tensor([2.0, -1.0])
    money.reference.data = torch.tensor([5.0, 7.0])
    check_mechanism(money)
    expected = example.gaps(example.TabularMechanism.from_payoffs(payoffs / payoffs.std())) * [2, -1]
    assert example.gaps(money) == pytest.approx(expected, abs=1e-5)


def test_without_the_folder_it_says_what_to_do(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIML_HUMAN_PLAY", raising=False)
    for arguments in ((), (tmp_path,)):
        with pytest.raises(SystemExit, match=r"recorded human play is not there .* DIML_HUMAN_PLAY"):
            run(example, monkeypatch, *arguments)


@real_data
class TestRecordedPlay:
    def test_recorded_payoffs_are_those_of_the_table(self, example: ModuleType) -> None:
        """So labels, roles and the order of actions are read right."""
        game = example.inspection_game(DATA / "inspection_game")
        paid = pd.read_csv(DATA / "inspection_game" / "plays.csv").pivot(
            index=["episode", "round"], columns="agent", values="payoff"
        )
        money = game.money[tuple(game.traces.actions.reshape(-1, 2).T)]
        assert (paid[list(game.traces.agents)].to_numpy() == money).all()

    def test_people_answer_cooperation_with_cooperation(self, example: ModuleType) -> None:
        """In each dilemma defecting on a cooperator comes out as paying less, where the money says more; on a
        defector it pays more, as the money says. Four sessions each; errors of either gap are below .6."""
        learners = example.MEMBERS["Roth-Erev"]()
        games = list(example.dilemmas(DATA / "repeated_pd"))
        assert [len(set(game.people)) for game in games] == [4, 4, 4]
        for game in games:
            given_defection, given_cooperation = example.gaps(
                example.maximum(game.form, learners).fit(game.traces).mechanism
            )[:, 0]
            assert given_defection > 2
            assert given_cooperation < -1
