"""An estimator of one's own: least squares of choices on what was met. `diml bench` takes it by --plugin FILE:NAME."""

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import agents
import diml_envs
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import Estimate, LogitDynamics, check_estimator, metrics


class LeastSquares:
    """Logit choice is nearly linear near indifference: P(b) = 1/A + precision (1 - exploration) (Q_b - mean Q) / A."""

    def __init__(self, dynamics: LogitDynamics | None = None, ridge: float = 10.0) -> None:
        self.dynamics, self.ridge = dynamics or LogitDynamics(), ridge  # a suite tells what is known of the learners

    def fit(self, traces: diml_envs.Traces) -> Estimate:
        rate, gain = self.dynamics.learning_rate, self.dynamics.precision * (1 - self.dynamics.exploration)
        payoffs = np.zeros((*traces.action_counts, traces.num_agents))
        for i, count in enumerate(traces.action_counts):
            others, sizes = np.delete(traces.actions, i, -1), np.delete(traces.action_counts, i)
            place = np.ravel_multi_index(tuple(np.moveaxis(others.clip(0), -1, 0)), tuple(sizes))
            met = np.eye(sizes.prod())[place] * (others >= 0).all(-1)[..., None]  # [E, T, contexts]
            recent = lfilter([0, float(rate)], [1, float(rate) - 1], met, axis=1)[traces.observed[..., i]]
            chosen = np.eye(count)[traces.actions[traces.observed[..., i], i]] - 1 / count
            slope = np.linalg.solve(recent.T @ recent + self.ridge * np.eye(sizes.prod()), recent.T @ chosen)
            payoffs[..., i] = np.moveaxis(slope.reshape(*sizes, count) * count / float(gain), -1, i)
        mechanism = TabularMechanism.from_payoffs(payoffs)
        return Estimate(mechanism, self.dynamics, pd.DataFrame({"seconds": []}), traces.agents, traces.action_labels)


if __name__ == "__main__":
    check_estimator(LeastSquares())  # raises with what differs
    env = diml_envs.congestion_v0.parallel_env(num_agents=3, num_actions=4, max_cycles=60)
    train, test = agents.rollout(env, agents.LogitQ(), num_episodes=60, seed=0).traces.split(0.8)
    error = metrics.payoff_difference_mse(LeastSquares().fit(train).mechanism, env.mechanism, test, relative=True)
    print(f"error over that of knowing nothing: {error:.3f}")
