"""The commands as a person uses them."""

import io
import json

import numpy as np
import pandas as pd
import pettingzoo
import pytest
from click.testing import CliRunner
from places import REAL_DATA as DATA

from diml_envs import Traces
from diml_envs.games.registration import GAMES
from diml_inverse import Estimate
from diml_inverse.cli import main
from diml_inverse.cli.candidates import default_mechanism, learner_parameters

real_data = pytest.mark.skipif(not DATA.exists(), reason="the recorded human play is not beside this repository")


def diml(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def table_of(result):
    return pd.read_csv(io.StringIO(result.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Play of a small congestion game and a fit to it."""
    path = tmp_path_factory.mktemp("run")
    sizes = ("--set", "num_agents=2", "--set", "num_actions=3", "--set", "max_cycles=30")
    diml("rollout", "diml/congestion_v0", "--episodes", 40, *sizes, "-o", path / "plays.nc")
    diml("rollout", "diml/congestion_v0", "--episodes", 40, "--seed", 1, *sizes, "-o", path / "more.nc")
    diml("fit", path / "plays.nc", "-o", path / "fit")
    return path


def test_envs_are_listed_with_a_sentence_and_sizes():
    games = table_of(diml("envs")).set_index("env_id")
    assert set(games.index) == {f"diml/{game}_v0" for game in GAMES}
    assert games.loc["diml/congestion_v0", ["num_agents", "num_actions", "max_cycles"]].tolist() == [4, 5, 60]
    assert games["about"].str.endswith(".").all()


@pytest.mark.parametrize("command", [[], *(["envs"], ["rollout"], ["fit"], ["identify"], ["evaluate"])])
def test_help_shows_an_example(command):
    assert "Example" in diml(*command, "--help").stdout


@pytest.mark.parametrize("ending", [".nc", ".csv", ".parquet"])
def test_rollout_writes_by_ending_and_repeats_itself(tmp_path, ending):
    plays = []
    for name in ("once", "again"):
        diml("rollout", "diml/neural_v0", "--episodes", 3, "--set", "max_cycles=5", "-o", tmp_path / (name + ending))
        plays.append(Traces.load(tmp_path / (name + ending)))
    np.testing.assert_array_equal(plays[0].actions, plays[1].actions)
    assert plays[0].actions.shape == (3, 5, 3)


def test_rollout_passes_settings_to_game_and_learner_and_records_them(tmp_path):
    settings = ("--set", "mechanism_seed=3", "--set", "feedback=own", "--set", "max_cycles=4")
    player = ("--learner", "q-learning", "--learner-set", "learning_rate=.5", "--learner-set", "uses_observation=true")
    diml("rollout", "diml/congestion_v0", "--episodes", 2, *settings, *player, "-o", tmp_path / "new" / "plays.nc")
    recorded = Traces.load(tmp_path / "new" / "plays.nc").metadata
    assert recorded["env_kwargs"]["mechanism_seed"] == 3
    assert recorded["env_kwargs"]["feedback"] == "own"
    learner = recorded["learners"]["all"]
    assert (learner["name"], learner["learning_rate"], learner["uses_observation"]) == ("QLearning", 0.5, True)


def test_fit_of_simulated_play_compares_with_the_truth(folder):
    result = diml("fit", folder / "plays.nc", "-o", folder / "again")
    table = table_of(result)
    assert np.corrcoef(table["payoff_difference"], table["true_payoff_difference"])[0, 1] > 0.85
    assert "learning_rate=0.25 (file), precision=3 (file), exploration=0.06 (file)" in result.stderr
    assert "mechanism: tabular" in result.stderr
    facts = json.loads((folder / "again" / "fit.json").read_text())
    assert facts["log_likelihood"] > facts["truth_log_likelihood"] > facts["uniform_log_likelihood"]
    assert facts["payoff_difference_mse_relative"] < 0.3


def test_written_table_agrees_with_the_printed_one(folder):
    written = pd.read_csv(folder / "fit" / "payoff_differences.csv")
    estimate = Estimate.load(folder / "fit" / "estimate.safetensors")
    env = pettingzoo.make("parallel", "diml/congestion_v0", num_agents=2, num_actions=3)
    assert estimate.mechanism.action_counts == env.action_counts
    first = written[(written["agent"] == "agent_0") & (written["others"] == "agent_1=2")]
    expected = estimate.payoff_differences([0, 2])[0].numpy()
    np.testing.assert_allclose(first["payoff_difference"], expected)


def test_evaluate_scores_other_play(folder):
    scores = table_of(diml("evaluate", folder / "fit", folder / "more.nc")).set_index("metric")["value"]
    assert scores["truth_log_likelihood"] > scores["log_likelihood"] > scores["uniform_log_likelihood"]
    assert scores["uniform_log_likelihood"] == pytest.approx(-np.log(3))
    assert 0 < scores["payoff_difference_mse_relative"] < 0.3


def test_evaluate_knows_actions_by_their_labels(folder, tmp_path):
    """Play in which nobody takes action 0 must not have its actions numbered afresh."""
    plays = Traces.load(folder / "more.nc").to_frame()
    without = plays.groupby("episode").filter(lambda part: part["round"].max() > 0)
    kept = without[
        ~without["action"].groupby([without["episode"], without["round"]]).transform(lambda a: (a == 0).any())
    ]
    kept = kept.assign(round=kept.groupby(["episode", "agent"], observed=True).cumcount())
    kept.to_csv(tmp_path / "no_zero.csv", index=False)
    kept.assign(action=kept["action"].astype(str).radd("option ")).to_csv(tmp_path / "renamed.csv", index=False)
    scores = table_of(diml("evaluate", folder / "fit", tmp_path / "no_zero.csv")).set_index("metric")["value"]
    assert scores["uniform_log_likelihood"] == pytest.approx(-np.log(3))
    refused = CliRunner().invoke(main, ["evaluate", str(folder / "fit"), str(tmp_path / "renamed.csv")])
    assert refused.exit_code == 1
    assert "action 'option 1' that the fit does not know" in refused.stderr


@pytest.mark.parametrize("name", ["neural", "anonymous", "congestion", "public-goods"])
def test_other_forms_can_be_asked_for(folder, tmp_path, name):
    Traces.load(folder / "plays.nc")[:6].save(tmp_path / "few.csv")
    result = diml("fit", tmp_path / "few.csv", "-o", tmp_path / "fit", "--mechanism", name, "--precision", 3)
    assert f"mechanism: {name} (as asked)" in result.stderr
    assert "precision=3 (given)" in result.stderr
    assert "true_payoff_difference" not in table_of(result)  # a CSV does not say what it was played in


def test_default_form_follows_from_the_size():
    few, many = np.zeros((2, 10, 3), int), np.zeros((40, 60, 3), int)
    assert default_mechanism(Traces(many, action_labels=[range(4)] * 3))[0] == "tabular"
    assert default_mechanism(Traces(few, action_labels=[range(4)] * 3))[0] == "structure"


def test_learner_parameters_given_win_over_the_file_and_the_file_over_defaults():
    learner = {"name": "LogitQ", "learning_rate": 0.2, "precision": 6.0, "exploration": 0.02}
    simulated = Traces([[[0], [1]]], metadata={"learners": {"all": learner}})
    parameters = learner_parameters({"precision": 5.0, "learning_rate": None}, simulated)
    assert parameters.values == {"learning_rate": 0.2, "precision": 5.0, "exploration": 0.02}
    assert parameters.sources == {"learning_rate": "file", "precision": "given", "exploration": "file"}
    mixed = Traces([[[0], [1]]], metadata={"learners": {"a": learner, "b": {"name": "Hedge", "precision": 1.0}}})
    assert not learner_parameters({}, mixed).scale_known


@real_data
def test_inspection_game_shows_the_examiners_ratio(tmp_path):
    plays = DATA / "inspection_game" / "plays.csv"
    result = diml("fit", plays, "-o", tmp_path / "fit", "--payoff-column", "payoff")
    table = table_of(result).set_index(["agent", "others"])
    examiner = table.loc["examiner"].select_dtypes("number")
    ratio = examiner.loc["student=honest"] / examiner.loc["student=cheat"]
    assert -0.45 < ratio["payoff_difference"] < -0.20
    assert ratio["true_payoff_difference"] == pytest.approx(-1 / 3)
    assert examiner.loc["student=honest", "scaled"] == pytest.approx(-ratio["scaled"], rel=1e-3)
    assert (table.loc["student", "payoff_difference"] > 0).all()  # honest over cheat, whether watched or not
    assert table.loc["student", "true_difference"].tolist() == [-2, 8]
    assert table["visits"].sum() == 2 * 50 * 69
    assert "only their signs and ratios" in result.stderr


@real_data
def test_three_mechanisms_in_one_file_are_fitted_apart(tmp_path):
    plays = DATA / "repeated_pd" / "plays.csv"
    result = diml("fit", plays, "-o", tmp_path / "fit", "--group-column", "reward_cc")
    table = table_of(result)
    assert table.columns[0] == "reward_cc"
    assert table.groupby("reward_cc").size().to_dict() == {32: 4, 40: 4, 48: 4}
    assert (table.loc[table["others"].str.endswith("defect"), "payoff_difference"] > 0).all()  # defect on defectors
    for group in ("32", "40", "48"):
        assert (tmp_path / "fit" / group / "picture.png").exists()
        assert json.loads((tmp_path / "fit" / group / "fit.json").read_text())["group"] == group
    assert "name one" in CliRunner().invoke(main, ["evaluate", str(tmp_path / "fit"), str(plays)]).stderr


def test_learners_can_be_found_out(tmp_path):
    """Bandits on a congestion game: the payoffs of an own-payoff surrogate, not of one that is told everything."""
    sizes = ("--set", "num_agents=2", "--set", "num_actions=2", "--set", "max_cycles=15")
    diml("rollout", "diml/congestion_v0", "--episodes", 12, *sizes, "-o", tmp_path / "plays.nc")
    result = diml("fit", tmp_path / "plays.nc", "-o", tmp_path / "fit", "--learners", "auto", "--mechanism", "tabular")
    assert "best of 11 on held-out episodes" in result.stderr
    facts = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert facts["learner_parameters_from"] == "fitted"
    assert len(facts["estimator"]["learners"]) == 11
    diml("evaluate", tmp_path / "fit", tmp_path / "plays.nc")
    clash = ("fit", tmp_path / "plays.nc", "-o", tmp_path / "other", "--learners", "auto", "--learning-rate", 0.2)
    failed = CliRunner().invoke(main, [str(argument) for argument in clash])
    assert failed.exit_code == 2
    assert "--learning-rate has no meaning with --learners auto" in failed.stderr
