"""One seat as a Gymnasium env, against opponents that learn."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import agents
import diml_envs
from diml_envs import SeatEnv
from diml_envs.games.registration import GAMES


def gymnasium_id(game):
    return f"diml/{game.title().replace('_', '')}-v0"


@pytest.mark.parametrize("game", GAMES)
def test_conforms_to_gymnasium_and_stable_baselines3(game):
    env = gymnasium.make(
        gymnasium_id(game),
        agent="person_1" if game == "population" else "agent_1",
        opponents=agents.LogitQ(),
        payoff_noise=0.1,
    )
    check_env(env.unwrapped)
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    sb3.check_env(env.unwrapped)


def test_made_as_the_readme_says():
    env = gymnasium.make("diml/Congestion-v0", agent="agent_0", opponents=agents.LogitQ(), num_agents=4)
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step(2)
    assert (terminated, truncated) == (False, False)
    assert info["counterfactual_payoffs"].shape == (5,)


def play(env, seed, rounds=10):
    env.reset(seed=seed)
    steps = [env.step(t % 2) for t in range(rounds)]
    return [(observation.tolist(), reward, truncated) for observation, reward, _, truncated, _ in steps]


@pytest.mark.parametrize("opponents", [None, agents.LogitQ(), agents.EpsilonGreedy()])
def test_the_seed_decides_opponents_and_noise(opponents):
    env = diml_envs.congestion_v0.seat_env(opponents=opponents, payoff_noise=0.2, max_cycles=10)
    first = play(env, seed=1)
    assert play(env, seed=1) == first
    assert play(env, seed=2) != first
    assert first[-1][2] is True


def test_opponents_learn_within_an_episode_and_forget_at_reset():
    """Against one who always cooperates, a precise logit learner comes to defect; afresh it starts even."""
    opponent = agents.LogitQ(learning_rate=0.5, precision=20.0, exploration=0.0)
    env = diml_envs.matrix_v0.seat_env(game="prisoners_dilemma", opponents=opponent, max_cycles=30)
    firsts = []
    for seed in range(20):
        env.reset(seed=seed)
        rewards = [env.step(0)[1] for _ in range(30)]
        assert rewards[5:] == [0.0] * 25  # the sucker's payoff
        firsts.append(rewards[0])
    assert set(firsts) == {0.0, 3.0}


def test_opponents_by_name_and_of_any_kind():
    def first(observation):
        return 0

    env = SeatEnv(
        diml_envs.congestion_v0.parallel_env(num_agents=3),
        agent="agent_1",
        opponents={"agent_0": first, "agent_2": agents.QLearning(uses_observation=True)},
    )
    observation, _ = env.reset(seed=0)
    for _ in range(5):
        observation, *_ = env.step(1)
        assert observation[:10].tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_uniform_opponents_are_uniform():
    """Null: each of 5 actions has probability 1/5. Chi-square with 4 degrees of freedom: 23.5 at p = 1e-4."""
    env = diml_envs.congestion_v0.seat_env(num_agents=2, max_cycles=2000)
    env.reset(seed=0)
    counts = np.zeros(5)
    for _ in range(2000):
        counts += env.step(0)[0][5:]
    assert ((counts - 400) ** 2 / 400).sum() < 23.5


def test_refuses_what_cannot_be_played():
    game = diml_envs.congestion_v0.parallel_env(num_agents=3, feedback="own")
    with pytest.raises(ValueError, match=r"agent 'x' is not in the game; agents: \['agent_0'"):
        SeatEnv(game, "x")
    with pytest.raises(ValueError, match=r"opponents must name each agent but 'agent_0': \['agent_1', 'agent_2'\]"):
        SeatEnv(game, opponents={"agent_1": agents.Uniform()})
    with pytest.raises(ValueError, match="LogitQ of 'agent_1' needs counterfactual payoffs, but the env has"):
        SeatEnv(game, opponents=agents.LogitQ())
    with pytest.raises(TypeError, match="'agent_1' cannot be played by 3"):
        SeatEnv(game, opponents=3)


def test_renders_the_last_round():
    env = gymnasium.make("diml/Matrix-v0", render_mode="ansi")
    env.reset(seed=0)
    env.step(0)
    assert env.render().startswith("round 1 of 60\nagent_0  action   0")
