"""Models of stable-baselines3 that train inside a rollout."""

import contextlib
import copy
import json
import random
import signal
import subprocess
import sys
import threading

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv

import agents
import diml_envs
from agents.playing.randomness import model_seed_of
from diml_envs.mechanisms import MISSING, TabularMechanism

pytest.importorskip("stable_baselines3")
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback

SMALL = {"policy_kwargs": {"net_arch": [4]}, "gamma": 0.0}
RECIPES = {
    "ppo": (PPO, {"n_steps": 8, "batch_size": 8, "n_epochs": 2, **SMALL}),
    "a2c": (A2C, {"n_steps": 4, **SMALL}),
    "dqn": (DQN, {"learning_starts": 6, "train_freq": 4, "batch_size": 4, **SMALL}),
}


class Boom(Exception):
    pass


def recipe(name="ppo", **more):
    algorithm, options = RECIPES[name]
    return agents.SB3(algorithm, **{**options, **more})


def game(max_cycles=24, name="prisoners_dilemma", **settings):
    return diml_envs.matrix_v0.parallel_env(name, max_cycles=max_cycles, **settings)


@pytest.fixture(autouse=True)
def _leaves_no_thread():
    yield
    for thread in [thread for thread in threading.enumerate() if " of '" in thread.name]:
        thread.join(timeout=10)  # on its way out: it has handed over its last result
        assert not thread.is_alive(), thread.name


def global_draws():
    return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002


def seed_globals(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def test_nothing_is_imported_before_it_is_needed():
    code = "import sys, agents; agents.SB3; sys.exit('stable_baselines3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Recorded(gymnasium.Wrapper):
    """Notes the actions."""

    def __init__(self, env):
        super().__init__(env)
        self.actions = []

    def step(self, action):
        self.actions.append(int(action))
        return self.env.step(action)


@pytest.mark.parametrize("name", RECIPES)
def test_plays_what_its_own_training_loop_plays(name):
    """The slow definition: `learn` on a Gymnasium env, the other agent's behaviour a part of it."""

    def opponent(seen):
        return int(seen[0] == 1)  # 1 if agent_0 played 0

    algorithm, options = RECIPES[name][0], copy.deepcopy(RECIPES[name][1])  # A2C writes into them
    seat = Recorded(diml_envs.SeatEnv(game(), opponents=opponent))
    algorithm("MlpPolicy", seat, seed=model_seed_of(3, 0, 0), device="cpu", **options).learn(24)
    rollout = agents.rollout(game(), {"agent_0": recipe(name), "agent_1": opponent}, num_episodes=1, seed=3)
    assert rollout.traces.actions[0, :, 0].tolist() == seat.actions[:24]
    assert len(set(seat.actions)) > 1


@pytest.mark.parametrize("shared", [False, True])
def test_models_learn_what_pays(shared):
    learners = recipe(learning_rate=0.05, shared=shared)
    rollout = agents.rollout(game(160), learners, num_episodes=1, seed=0)
    assert (rollout.traces.actions[0, -40:] == 1).mean() > 0.85  # defection dominates
    assert 0.2 < (rollout.traces.actions[0, :16] == 1).mean() < 0.8
    payoffs = game().counterfactual_payoffs(rollout.traces.actions)
    own = np.take_along_axis(payoffs, rollout.traces.actions[..., None], -1)[..., 0]
    np.testing.assert_array_equal(rollout.payoffs, own)


def test_the_seed_decides_everything_and_more_episodes_change_nothing():
    mixed = {"agent_0": recipe("ppo"), "agent_1": recipe("dqn")}
    first = agents.rollout(game(), mixed, num_episodes=2, seed=1)
    seed_globals(99)
    again = agents.rollout(game(), mixed, num_episodes=3, seed=1)
    np.testing.assert_array_equal(again.traces.actions[:2], first.traces.actions)
    np.testing.assert_array_equal(again.choice_probs[:2], first.choice_probs)
    other = agents.rollout(game(), mixed, num_episodes=2, seed=2)
    for e in range(2):
        assert not np.array_equal(other.traces.actions[e], first.traces.actions[e])
    assert not np.array_equal(first.traces.actions[0], first.traces.actions[1])


@pytest.mark.parametrize("fails", [False, True])
def test_the_process_is_left_as_it_was(fails):
    def draw(locals_, globals_):
        global_draws()
        assert torch.get_num_threads() == 1
        if fails:
            raise Boom
        return True

    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seed_globals(0)
        expected = global_draws()
        seed_globals(0)
        with pytest.raises(Boom) if fails else contextlib.nullcontext():
            agents.rollout(game(), recipe(callback=draw), num_episodes=1)
        assert global_draws() == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(num_threads)


def test_a_seed_of_its_own_takes_the_place_of_the_rollouts():
    first, second = (agents.rollout(game(), recipe(seed=5), num_episodes=2, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(first.traces.actions, second.traces.actions)
    assert not np.array_equal(first.traces.actions[0], first.traces.actions[1])


@pytest.mark.parametrize("name", RECIPES)
def test_agents_do_not_draw_from_each_others_randomness(name):
    """Payoffs depend on the own action alone and observations are constant, so who else plays cannot matter."""
    alone = TabularMechanism.from_payoffs([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
    env = diml_envs.RepeatedGameEnv(alone, max_cycles=24, observation="constant")
    models = agents.rollout(env, recipe(name), num_episodes=1).traces.actions[0]
    for agent, other in (("agent_0", "agent_1"), ("agent_1", "agent_0")):
        one = agents.rollout(env, {agent: recipe(name), other: agents.Uniform()}, num_episodes=1)
        np.testing.assert_array_equal(one.traces.actions[0, :, int(agent[-1])], models[:, int(agent[-1])])
    assert not np.array_equal(models[:, 0], models[:, 1])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shared", [False, True])
def test_actions_come_as_often_as_their_probabilities_say(name, shared):
    """Null: each action is drawn with its stated probability. The sum of (taken - probability) has standard error
    sqrt(sum p (1 - p)) at most (agents that share a model may explore together: DQN, hence twice that)."""
    rollout = agents.rollout(game(48), recipe(name, shared=shared), num_episodes=4, seed=7)
    probs = rollout.choice_probs
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-6)
    taken = rollout.traces.actions[..., None] == np.arange(2)
    error = np.sqrt((probs * (1 - probs)).sum((0, 1)))
    assert (np.abs((taken - probs).sum((0, 1))) < 4 * error * (2 if shared else 1)).all()
    assert (np.take_along_axis(probs, rollout.traces.actions[..., None], -1) > 0).all()
    if name == "dqn":  # uniform before learning starts
        assert (probs[:, : 3 if shared else 6] == 0.5).all()
        assert not (probs == 0.5).all()
    else:
        assert (np.abs(probs[:, -1] - 0.5) > 1e-6).all()


class Watch(BaseCallback):
    """Keeps the models that were trained, and how far."""

    ended: list = []  # noqa: RUF012

    def _on_step(self):
        return True

    def _on_training_end(self):
        rounds, updates = self.n_calls, self.model._n_updates
        self.ended.append((self.training_env.get_attr("agent"), self.model, rounds, updates))


@pytest.fixture
def watch():
    return type("WatchThis", (Watch,), {"ended": []})


def test_one_model_for_each_agent_or_one_for_all(watch):
    agents.rollout(game(), recipe(callback=watch), num_episodes=2)
    assert [(who, rounds) for who, _, rounds, _ in watch.ended] == [(["agent_0"], 24), (["agent_1"], 24)] * 2
    assert len({id(model) for _, model, _, _ in watch.ended}) == 4
    assert {updates for *_, updates in watch.ended} == {3 * 2}  # the last complete rollout is trained on, too
    watch.ended.clear()
    agents.rollout(game(), recipe(callback=watch, shared=True, batch_size=16), num_episodes=1)
    ((who, model, rounds, _),) = watch.ended
    assert (who, rounds, model.num_timesteps) == (["agent_0", "agent_1"], 24, 48)


def test_a_run_need_not_be_whole_rollouts(watch):
    agents.rollout(game(21), recipe(callback=[watch]), num_episodes=1)
    assert [(rounds, updates) for _, _, rounds, updates in watch.ended] == [(21, 2 * 2)] * 2


def test_across_episodes_a_model_goes_on(watch):
    dones = []

    def note(locals_, globals_):
        dones.append(bool(locals_["dones"][0]))
        return True

    learners = recipe(callback=[watch, note], shared=True, batch_size=16)
    rollout = agents.rollout(game(12), learners, num_episodes=3, learn="across_episodes")
    assert rollout.traces.actions.shape == (1, 36, 2)
    assert [model.num_timesteps for _, model, _, _ in watch.ended] == [72]
    assert np.flatnonzero(dones).tolist() == [11, 23, 35]


class StopsAfter(BaseCallback):
    """Ends training after ten rounds."""

    def _on_step(self):
        return self.n_calls < 10


@pytest.mark.parametrize(
    ("stop", "last"), [({"callback": StopsAfter}, 10), ({"total_timesteps": 8}, 8)], ids=["callback", "total_timesteps"]
)
@pytest.mark.parametrize("name", RECIPES)
def test_what_has_ended_training_plays_on_as_it_is(stop, last, name):
    rollout = agents.rollout(game(30, observation="constant"), recipe(name, **stop), num_episodes=1)
    probs = rollout.choice_probs[0]
    assert (probs[last:] == probs[last]).all()
    assert not (probs[:last] == probs[last]).all()
    assert rollout.traces.lengths.tolist() == [30]


def test_one_callback_object_cannot_follow_two_models(watch):
    with pytest.raises(ValueError, match="one callback object cannot follow several models at once; give its class"):
        agents.rollout(game(), recipe(callback=watch()), num_episodes=1)
    agents.rollout(game(), recipe(callback=watch(), shared=True, batch_size=16), num_episodes=1)
    agents.rollout(game(), {f"agent_{i}": recipe(callback=watch()) for i in (0, 1)}, num_episodes=1)
    assert [who for who, *_ in watch.ended] == [["agent_0", "agent_1"], ["agent_0"], ["agent_1"]]


@pytest.mark.parametrize("shared", [False, True])
def test_what_a_callback_raises_comes_out_and_ends_all_models(shared):
    def explode(locals_, globals_):
        if locals_["self"].num_timesteps >= 10:
            raise Boom
        return True

    with pytest.raises(Boom) as caught:
        agents.rollout(game(), recipe(callback=explode, shared=shared), num_episodes=1)
    who = "'agent_0', 'agent_1'" if shared else "'agent_0'"
    assert caught.value.__notes__ == [f"raised in PPO of {who}"]


def test_what_the_env_raises_ends_all_models():
    class Fails(diml_envs.RepeatedGameEnv):
        def step(self, actions):
            if self._round == 5:
                raise Boom
            return super().step(actions)

    with pytest.raises(Boom):
        agents.rollout(Fails(game().mechanism), recipe(), num_episodes=1)


def test_an_interrupt_while_a_model_runs_ends_all_models():
    def interrupt(locals_, globals_):
        if locals_["self"].num_timesteps == 5:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt):
        agents.rollout(game(), recipe(callback=interrupt), num_episodes=1)


class Leaving(ParallelEnv):
    """Agent a ends after 10 rounds, b after 20; what they see is of any kind."""

    metadata = {"name": "leaving_v0"}  # noqa: RUF012
    possible_agents = ["a", "b"]  # noqa: RUF012

    def __init__(self, kind):
        self.spaces = {
            "dict": Dict({"round": Discrete(30), "share": Box(0, 1, (1,), np.float32)}),
            "discrete": Discrete(30),
        }
        self.kind = kind

    def action_space(self, agent):
        return Discrete(3)

    def observation_space(self, agent):
        return self.spaces[self.kind]

    def _seen(self):
        share = np.array([self.round / 30], np.float32)
        return {agent: {"dict": {"round": self.round, "share": share}}.get(self.kind, self.round) for agent in "ab"}

    def reset(self, seed=None, options=None):
        self.agents, self.round = ["a", "b"], 0
        return self._seen(), {"a": {}, "b": {}}

    def step(self, actions):
        assert list(actions) == self.agents
        self.round += 1
        over = {agent: self.round >= {"a": 10, "b": 20}[agent] for agent in self.agents}
        rewards, stay = dict.fromkeys(self.agents, 1.0), dict.fromkeys(self.agents, False)
        infos = {agent: {} for agent in self.agents}
        self.agents = [agent for agent in self.agents if not over[agent]]
        return self._seen(), rewards, over, stay, infos


@pytest.mark.parametrize(("kind", "policy"), [("dict", "MultiInputPolicy"), ("discrete", "MlpPolicy")])
def test_agents_may_leave_and_see_what_they_like(kind, policy, watch):
    learners = recipe(policy=policy, total_timesteps=20, callback=watch)
    rollout = agents.rollout(Leaving(kind), learners, num_episodes=2)
    assert (rollout.traces.actions[:, 10:, 0] == MISSING).all()
    assert (rollout.traces.actions[:, :10, 0] != MISSING).all()
    assert (rollout.traces.actions[:, :, 1] != MISSING).all()
    assert [rounds for _, _, rounds, _ in watch.ended] == [10, 20, 10, 20]
    joined = agents.rollout(Leaving(kind), learners, num_episodes=2, learn="across_episodes")
    assert joined.traces.actions.shape == (1, 40, 2)
    assert (joined.traces.actions[0, 20:30, 0] != MISSING).all()


def test_refuses_what_it_cannot_know_or_share_in_a_foreign_env():
    with pytest.raises(ValueError, match=r"cannot tell how long a run will be, .* give total_timesteps"):
        agents.rollout(Leaving("discrete"), recipe())
    with pytest.raises(ValueError, match=r"a shared model must play to the end, but \['a'\] left; use shared=False"):
        agents.rollout(Leaving("discrete"), recipe(shared=True, total_timesteps=40, batch_size=16))


@pytest.mark.parametrize(
    ("learners", "error", "message"),
    [
        (lambda: agents.SB3(SAC), ValueError, r"SAC cannot play 'agent_0': The algorithm only supports .*Discrete"),
        (lambda: agents.SB3(PPO), ValueError, "PPO trains first after n_steps=2048 rounds, but a run has 24 rounds"),
        (lambda: recipe(n_steps=24), ValueError, "PPO trains first after n_steps=24 rounds"),
        (lambda: agents.SB3(DQN), ValueError, "DQN trains first after learning_starts=100 timesteps"),
        (lambda: agents.SB3("PPO"), TypeError, "SB3 takes an algorithm such as stable_baselines3.PPO, .* got 'PPO'"),
        (lambda: recipe(env="CartPole-v1"), ValueError, "SB3 does not take env"),
        (lambda: recipe(seed=-1), ValueError, "seed must be 0 or more; got -1"),
        (lambda: recipe(total_timesteps=0), ValueError, "total_timesteps must be 1 or more"),
    ],
)
def test_refuses_what_cannot_play_or_would_not_learn(learners, error, message):
    with pytest.raises(error, match=message):
        agents.rollout(game(), learners())


def test_refuses_to_share_among_unequal_agents():
    env = diml_envs.matrix_v0.parallel_env(payoffs=np.zeros((2, 3, 2)), max_cycles=20)
    with pytest.raises(ValueError, match=r"equal spaces, but 'agent_0' has .*Discrete\(2\).* and 'agent_1' has"):
        agents.rollout(env, recipe(shared=True))
    rollout = agents.rollout(env, recipe(), num_episodes=1)
    assert np.isnan(rollout.choice_probs[..., 0, 2]).all()


def test_one_progress_bar_for_models_that_keep_pace(monkeypatch, capsys):
    from stable_baselines3.common import callbacks
    from tqdm import tqdm

    monkeypatch.setattr(callbacks, "tqdm", tqdm)  # the bar itself needs rich
    agents.rollout(game(), recipe(progress_bar=True), num_episodes=1)
    assert capsys.readouterr().err.count(" 0/24 ") == 1


def test_the_record_says_what_trained():
    def rate(remaining):
        return 0.1 * remaining

    rollout = agents.rollout(game(), recipe(learning_rate=rate), num_episodes=1)
    metadata = json.loads(json.dumps(rollout.traces.metadata))
    assert metadata["learners"]["all"] == {
        "name": "SB3",
        "algorithm": "PPO",
        "policy": "MlpPolicy",
        "shared": False,
        "seed": None,
        "total_timesteps": None,
        "learning_rate": "rate",
        **RECIPES["ppo"][1],
    }
    assert "stable-baselines3" in metadata["versions"]
    assert repr(recipe()).startswith("SB3(algorithm='PPO', policy='MlpPolicy', shared=False")
