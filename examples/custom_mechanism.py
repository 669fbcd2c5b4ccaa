"""A mechanism of one's own: any function of the actions as the hidden truth, any torch module as the candidate."""

import torch
from torch import Tensor, nn

import agents
import diml_envs
from diml_envs.mechanisms import CallableMechanism, Mechanism
from diml_inverse import LogitDynamics, StructuredMLE, metrics


def market(quantities: tuple[int, ...]) -> list[float]:
    """The hidden truth: two sellers bring 0 to 3 units; the price falls with the total, each unit costs 0.5."""
    return [q * (2.5 - 0.4 * sum(quantities) - 0.5) for q in quantities]


class Market(Mechanism):
    """The candidate: the same form, its price and slope unknown."""

    def __init__(self) -> None:
        super().__init__([4, 4])
        self.margin, self.slope = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(0.0))

    def forward(self, actions: Tensor) -> Tensor:
        """int64 [*B, 2] -> [*B, 2]."""
        self.validate(actions)
        return actions * (self.margin - self.slope * actions.sum(-1, keepdim=True))


diml_envs.check_mechanism(Market())
truth = CallableMechanism(market, [4, 4])
env = diml_envs.RepeatedGameEnv(truth, max_cycles=60)
traces = agents.rollout(env, agents.LogitQ(), num_episodes=60, seed=0).traces
estimate = StructuredMLE(Market(), LogitDynamics()).fit(traces)
print({name: round(float(value), 2) for name, value in estimate.mechanism.named_parameters()}, "- true: 2.0 and 0.4")
print("relative error:", round(metrics.payoff_difference_mse(estimate.mechanism, truth, traces, relative=True), 4))
