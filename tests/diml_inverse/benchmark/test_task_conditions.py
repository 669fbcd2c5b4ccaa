"""What an observer sees less of, and who plays: the conditions of tasks."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from benchmark_tasks import CONGESTION

from diml_envs.mechanisms import CongestionMechanism
from diml_inverse import LogitDynamics
from diml_inverse.benchmark.scoring.scores import of_choices, of_differences
from diml_inverse.benchmark.tasks.core import CORE, equal_auction
from diml_inverse.benchmark.tasks.people import HUMAN, with_human_play
from diml_inverse.dynamics import AttractionDynamics


def task(name):
    return CORE[f"congestion-{name}-v0"]


def test_gaps_are_as_many_as_said_and_nothing_else_changes():
    whole, gaps = task("small").play(0), task("gaps").play(0)
    share = 1 - gaps.train.observed.mean()
    # Null: each of 48 * 60 * 3 actions is lost with probability .01; five standard errors of the share.
    assert abs(share - 0.01) < 5 * np.sqrt(0.01 * 0.99 / gaps.train.actions.size)
    np.testing.assert_array_equal(gaps.train.actions[gaps.train.observed], whole.train.actions[gaps.train.observed])
    np.testing.assert_array_equal(gaps.true_choice_probs, whole.true_choice_probs)


def test_the_truth_without_an_agent_is_its_mean_over_what_that_agent_did():
    play, four = task("hidden-agent").play(0), CongestionMechanism.random(4, 4, seed=0)
    assert play.train.num_agents == play.truth.num_agents == 3
    assert play.dynamics is None
    # The hidden agent's play is seen in the same game with nobody hidden.
    whole = replace(task("hidden-agent"), hidden_agents=())
    recorded = whole._recorded(four, 0).traces
    np.testing.assert_array_equal(recorded.actions[: len(play.train), :, :3], play.train.actions)
    hidden = recorded.actions[..., 3].ravel()
    with torch.no_grad():
        for profile in itertools.product(range(4), repeat=3):
            rows = [
                four(torch.tensor([*profile, action])).numpy()[:3] * (hidden == action).mean() for action in range(4)
            ]
            np.testing.assert_allclose(play.truth(torch.tensor(profile)), np.sum(rows, axis=0), rtol=1e-5)


def test_half_of_the_training_episodes_are_of_another_mechanism():
    changed, whole = task("changed").play(0), task("small").play(0)
    half = len(whole.train) // 2
    assert len(changed.train) == len(whole.train)
    np.testing.assert_array_equal(changed.train.actions[half:], whole.train.actions[half:])
    np.testing.assert_array_equal(changed.test.actions, whole.test.actions)
    assert not np.array_equal(changed.train.actions[:half], whole.train.actions[:half])
    assert all(map(torch.equal, changed.truth.state_dict().values(), whole.truth.state_dict().values()))


def test_few_data_are_few_to_learn_from_only():
    play = task("few-data").play(0)
    assert (len(play.train), len(play.test), play.train.num_rounds) == (6, 54, 20)


def test_what_estimators_are_told():
    assert isinstance(task("small").told, LogitDynamics)
    own = task("own-feedback").told
    assert isinstance(own, AttractionDynamics)
    assert own.config()["forgone_weight"] == 0
    assert task("hedge").told is None
    assert isinstance(task("hedge").assumed, LogitDynamics)
    assert task("hedge").metrics[0] == "payoff_difference_mse_rescaled"


@pytest.mark.parametrize("name", ["hedge", "mixed-learners", "own-feedback"])
def test_play_says_nothing_of_learners_that_are_not_to_be_known(name):
    assert set(task(name).play(0).train.metadata) == {"task", "seed"}


def test_the_auction_is_the_same_but_for_what_is_fitted():
    form, truth = equal_auction(3, 6), equal_auction(3, 6, seed=4)
    assert torch.equal(form.qualities, truth.qualities)
    assert torch.equal(form.reserve, truth.reserve)
    assert not torch.equal(form.values, truth.values)


def test_settings_tell_conditions_apart():
    settings = [
        json.dumps(one.settings(), sort_keys=True) for one in CORE.values() if one.name.startswith("congestion")
    ]
    told_apart_by_name = {"congestion-hedge-v0", "congestion-mixed-learners-v0", "congestion-own-feedback-v0"}
    assert len(set(settings)) >= len(settings) - len(told_apart_by_name) + 1
    assert "gaps" not in CONGESTION.settings()


@pytest.fixture
def people(tmp_path):
    folder = tmp_path / "inspection_game"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = [
        (f"pair{e}", t, agent, labels[rng.integers(2)])
        for e in range(10)
        for t in range(8)
        for agent, labels in (("student", ("honest", "cheat")), ("examiner", ("trust", "control")))
    ]
    pd.DataFrame(rows, columns=["episode", "round", "agent", "action"]).to_csv(folder / "plays.csv", index=False)
    payoffs = {"trust,honest": [14, 14], "control,honest": [11, 10], "trust,cheat": [3, 16], "control,cheat": [12, 2]}
    (folder / "truth.json").write_text(json.dumps({"agents": ["examiner", "student"], "payoffs": payoffs}))
    return tmp_path


def test_human_play_is_read_from_a_folder(people):
    inspection = with_human_play(HUMAN["inspection-game-v0"], people)
    assert inspection.missing is None
    play = inspection.play(0)
    assert (len(play.train), len(play.test)) == (8, 2)
    assert not np.array_equal(play.train.episodes, inspection.play(1).train.episodes)
    place = {name: labels.index for name, labels in zip(play.test.agents, play.test.action_labels, strict=True)}
    cheats = [place["examiner"]("control"), place["student"]("cheat")]
    in_order = dict(zip(("examiner", "student"), cheats, strict=True))
    profile = torch.tensor([in_order[agent] for agent in play.test.agents])
    paid = dict(zip(play.test.agents, play.truth(profile).tolist(), strict=True))
    assert paid == {"examiner": 12, "student": 2}
    assert {score.metric for score in of_differences(play.truth, play)} >= {"payoff_difference_mse_rescaled"}
    assert play.true_choice_probs is None


def test_human_play_without_true_probabilities_is_scored_by_what_there_is(people):
    play = with_human_play(HUMAN["inspection-game-v0"], people).play(0)

    class Even:
        def choice_probs(self, traces):
            return np.full((*traces.actions.shape, 2), 0.5)

    found = {score.metric: score.value for score in of_choices(Even(), play)}
    assert found["log_likelihood"] == pytest.approx(np.log(0.5))
    assert "choice_kl" not in found


def test_without_the_folder_it_says_so(people):
    assert "--human-play" in HUMAN["inspection-game-v0"].missing
    assert "repeated_pd" in with_human_play(HUMAN["repeated-pd-32-v0"], people).missing
    with pytest.raises(ValueError, match="needs recorded plays"):
        HUMAN["inspection-game-v0"].play(0)


def test_payoffs_that_are_none_name_the_file(people):
    (people / "inspection_game" / "truth.json").write_text('{"agents": ["a", "b"], "payoffs": {}}')
    with pytest.raises(ValueError, match=r"truth\.json does not hold the payoffs"):
        with_human_play(HUMAN["inspection-game-v0"], people).play(0)
