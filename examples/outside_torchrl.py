"""A TorchRL policy collected by TorchRL itself: its actions become `Traces`, ready for a fit."""

import warnings

import pettingzoo
import torch
from tensordict.nn import InteractionType, TensorDictModule
from torch import nn
from torchrl.envs import PettingZooWrapper
from torchrl.modules import ProbabilisticActor

import diml_envs
from diml_inverse import LogitDynamics, log_likelihood
from diml_inverse.baselines import BehaviouralCloning

warnings.filterwarnings("ignore", message="PettingZoo in TorchRL")  # tested by TorchRL with an older release

torch.manual_seed(0)
game = pettingzoo.make("parallel", "diml/congestion_v0", num_agents=4, num_actions=5, max_cycles=40)
env = PettingZooWrapper(game)  # all four agents form one group, called "agent"
network = nn.Linear(*env.observation_spec["agent", "observation"].shape[-1:], 5)
nn.init.normal_(network.weight, std=0.7)
policy = ProbabilisticActor(
    TensorDictModule(network, in_keys=[("agent", "observation")], out_keys=[("agent", "logits")]),
    in_keys=[("agent", "logits")],
    out_keys=[("agent", "action")],
    distribution_class=torch.distributions.Categorical,
    default_interaction_type=InteractionType.RANDOM,
)
with torch.no_grad():
    episodes = torch.stack([env.rollout(40, policy) for _ in range(30)])

actions = episodes["agent", "action"].numpy()  # [30, 40, 4]
traces = diml_envs.Traces(actions, agents=game.possible_agents, action_labels=[range(5)] * 4)
print(traces)
train, test = traces.split(0.8)
as_learners = log_likelihood(game.mechanism, LogitDynamics(), test).item()
print(f"log-likelihood of a held-out choice: logit learners who know the true payoffs {as_learners:.3f},", end=" ")
print(f"cloning of the last round {BehaviouralCloning(memory=1, max_epochs=100).fit(train).log_likelihood(test):.3f}")
