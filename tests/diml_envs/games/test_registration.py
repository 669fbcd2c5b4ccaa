"""The registered games: under their ids, by their modules, and made again from their description."""

import json

import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import api_test, max_cycles_test, parallel_api_test

import diml_envs
from diml_envs.games.registration import GAMES

# Before the first round there is nothing to observe, and that is what zeros mean.
nothing_played_yet = pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")


@pytest.mark.parametrize("game", GAMES)
def test_parallel_env_conforms(game):
    parallel_api_test(pettingzoo.make("parallel", f"diml/{game}_v0"), num_cycles=20)


@nothing_played_yet
@pytest.mark.parametrize("game", GAMES)
def test_aec_env_conforms(game):
    api_test(pettingzoo.make("aec", f"diml/{game}_v0", max_cycles=10), num_cycles=20)


@pytest.mark.parametrize("game", GAMES)
def test_max_cycles_is_kept(game):
    max_cycles_test(getattr(diml_envs, f"{game}_v0"))


def test_default_sizes_are_the_papers():
    sizes = {}
    for game in ("neural", "congestion", "public_goods", "anonymous"):
        env = pettingzoo.make("parallel", f"diml/{game}_v0")
        sizes[game] = (env.max_num_agents, env.action_counts[0], env.max_cycles)
    assert sizes == {
        "neural": (3, 6, 60), "congestion": (4, 5, 60), "public_goods": (3, 7, 60), "anonymous": (40, 10, 30),
    }  # fmt: skip


@pytest.mark.parametrize("game", GAMES)
def test_description_makes_the_same_game_again(game):
    settings = {"max_cycles": 9, "payoff_noise": 0.5, "observation": "constant", "feedback": "own"}
    seeded = {} if game in ("matrix", "population") else {"mechanism_seed": 3}
    env = pettingzoo.make("parallel", f"diml/{game}_v0", **settings, **seeded)
    description = json.loads(json.dumps(env.description))
    again = pettingzoo.make("parallel", description["env"], **description["kwargs"])
    assert again.description == env.description
    assert description["kwargs"].items() >= (settings | seeded).items()
    actions = np.zeros(env.max_num_agents, int)
    np.testing.assert_array_equal(env.counterfactual_payoffs(actions), again.counterfactual_payoffs(actions))


def test_mechanism_seed_draws_another_mechanism():
    profile = np.zeros(4, int)
    drawn = [diml_envs.congestion_v0.parallel_env(mechanism_seed=s).counterfactual_payoffs(profile) for s in (0, 1)]
    assert not np.array_equal(*drawn)


def test_classic_games_by_name():
    env = diml_envs.matrix_v0.parallel_env("rock_paper_scissors", render_mode="ansi")
    env.reset(seed=0)
    assert env.step({"agent_0": 1, "agent_1": 0})[1] == {"agent_0": 1.0, "agent_1": -1.0}
    env = diml_envs.matrix_v0.parallel_env("prisoners_dilemma")
    env.reset(seed=0)
    assert env.step({"agent_0": 0, "agent_1": 1})[1] == {"agent_0": 0.0, "agent_1": 5.0}


def test_payoffs_given_by_hand_stay_out_of_the_description():
    payoffs = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    env = diml_envs.matrix_v0.parallel_env(payoffs=payoffs)
    assert env.action_counts == (2, 3, 4)
    assert env.description["kwargs"]["game"] is None
    assert "payoffs" not in env.description["kwargs"]
    with pytest.raises(ValueError, match="unknown game None; give payoffs"):  # loudly, not some other game
        diml_envs.matrix_v0.parallel_env(**env.description["kwargs"])


def test_unknown_game_names_those_there_are():
    with pytest.raises(ValueError, match=r"unknown game 'poker'; .* rock_paper_scissors"):
        diml_envs.matrix_v0.parallel_env("poker")
