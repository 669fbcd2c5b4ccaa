"""The Cramér-Rao bound against its definition, and against fits to simulated play."""

import copy

import numpy as np
import pytest
import torch
from benchmark_tasks import CONGESTION
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from diml_envs.mechanisms import NeuralMechanism
from diml_inverse import StructuredMLE, metrics
from diml_inverse.benchmark import PAPER, cramer_rao_bound
from diml_inverse.likelihood import log_choice_probs, observe
from diml_inverse.uncertainty.expected import expected_information
from diml_inverse.uncertainty.fitted import Fitted


@pytest.fixture(scope="module")
def play():
    return CONGESTION.play(0)


def information_of(play):
    fitted = Fitted(play.truth, play.dynamics)
    return expected_information(fitted, observe(fitted.mechanism, play.dynamics, play.train))


class LogChoiceProbs(torch.nn.Module):
    """log pi of all decisions as a function of the mechanism's parameters."""

    def __init__(self, mechanism, dynamics, traces):
        super().__init__()
        self.mechanism, self.dynamics = mechanism, dynamics
        self.play = observe(mechanism, dynamics, traces)

    def forward(self):
        return log_choice_probs(self.mechanism, self.dynamics, self.play)[self.play.scored]


def test_information_is_the_curvature_of_the_expected_log_likelihood(play):
    truth = copy.deepcopy(play.truth).double()
    module = LogChoiceProbs(truth, play.dynamics, play.train)
    names = [name for name, _ in module.named_parameters()]
    at_truth = parameters_to_vector(truth.parameters()).detach()
    probs = module().exp().detach()

    def expected(vector):
        values = dict(zip(names, vector.split([parameter.numel() for parameter in truth.parameters()]), strict=True))
        return (probs * functional_call(module, values, ())).sum()

    curvature = -torch.autograd.functional.hessian(expected, at_truth)
    torch.testing.assert_close(information_of(play), curvature)


@pytest.mark.parametrize("ridge", [0.0, 2.0])
def test_bound_is_the_error_of_parameters_with_that_covariance(play, ridge):
    bound = cramer_rao_bound(play.truth, play.dynamics, play.train, play.test, ridge)
    information = information_of(play)
    covariance = torch.linalg.pinv(
        information + ridge * float(play.dynamics.precision) ** 2 * torch.eye(len(information)),
        rtol=1e-9,
        hermitian=True,
    )
    values, vectors = torch.linalg.eigh(covariance)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2000, len(values), generator=generator, dtype=torch.float64) * values.clamp(min=0).sqrt()
    truth, estimate = copy.deepcopy(play.truth).double(), copy.deepcopy(play.truth).double()
    start = parameters_to_vector(truth.parameters())
    errors = []
    for step in noise @ vectors.T:
        vector_to_parameters(start + step, estimate.parameters())
        errors.append(metrics.payoff_difference_mse(estimate, truth, play.test))
    assert np.mean(errors) == pytest.approx(bound, rel=0.1)


def test_prior_knowledge_lowers_the_bound(play):
    arguments = (play.truth, play.dynamics, play.train, play.test)
    assert 0 < cramer_rao_bound(*arguments, ridge=5) < cramer_rao_bound(*arguments)


def test_unequal_action_counts_are_refused(play):
    with pytest.raises(ValueError, match="same number of actions"):
        cramer_rao_bound(NeuralMechanism(2, [2, 3]), play.dynamics, play.train, play.test)


@pytest.mark.slow
def test_maximum_likelihood_reaches_the_bound():
    task, errors, bounds = PAPER["E2"], [], []
    for seed in range(20):
        play = task.play(seed)
        estimate = StructuredMLE(task.formula(), play.dynamics).fit(play.train)
        errors.append(metrics.payoff_difference_mse(estimate.mechanism, play.truth, play.test))
        bounds.append(cramer_rao_bound(play.truth, play.dynamics, play.train, play.test))
    assert 0.9 < np.mean(errors) / np.mean(bounds) < 1.15
