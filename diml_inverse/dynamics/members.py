"""Members of the family of surrogate learners by the names people know them under."""

from __future__ import annotations

from collections.abc import Callable

from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.batch_gradient import BatchGradientDynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.logit import LogitDynamics

# Prior experience of an action never tried, for plain averages: enough to divide by.
NEXT_TO_NOTHING = 1e-3


def _logit_q() -> AttractionDynamics:
    """Recency-weighted means of all payoffs (An & Du 2026)."""
    return LogitDynamics(0.25, 1.0, 0.05, fit=("learning_rate", "exploration"))


def _own_logit_q() -> AttractionDynamics:
    """Recency-weighted means of own payoffs: bandits of constant step, stateless Q-learning."""
    return AttractionDynamics(
        0.25, forgone_weight=0.0, forgets="updated", exploration=0.05, fit=("learning_rate", "exploration")
    )


def _own_averages() -> AttractionDynamics:
    """Plain means of own payoffs: epsilon-greedy and Boltzmann bandits (Sutton & Barto 2018, chapter 2)."""
    return AttractionDynamics(
        0.0,
        forgone_weight=0.0,
        forgets="updated",
        initial_experience=NEXT_TO_NOTHING,
        exploration=0.05,
        fit=("exploration",),
    )


def _ucb() -> AttractionDynamics:
    """Plain means of own payoffs and a bonus for what is rarely tried (UCB1: Auer et al. 2002).

    The fit starts from next to no bonus: one that sends people, who may never try an action, to it at once, makes
    their play so unlikely that the first steps explain it by chance alone, and stay there.
    """
    return AttractionDynamics(
        0.0,
        forgone_weight=0.0,
        forgets="updated",
        initial_experience=NEXT_TO_NOTHING,
        exploration=0.05,
        bonus=0.03,
        fit=("exploration", "bonus"),
    )


def _roth_erev() -> AttractionDynamics:
    """Own payoffs added up, all fading (Roth & Erev 1995), with logit choice."""
    return AttractionDynamics(
        0.05, forgone_weight=0.0, cumulation=1.0, exploration=0.05, fit=("learning_rate", "exploration")
    )


def _ewa() -> AttractionDynamics:
    """Experience-weighted attraction (Camerer & Ho 1999)."""
    return AttractionDynamics(
        0.1,
        forgone_weight=0.5,
        cumulation=0.5,
        initial_experience=1.0,
        fit=("learning_rate", "forgone_weight", "cumulation", "initial_experience"),
    )


def _hedge() -> AttractionDynamics:
    """All payoffs added up, nothing forgotten (Freund & Schapire 1997)."""
    return AttractionDynamics(0.0, cumulation=1.0)


def _fictitious_play() -> AttractionDynamics:
    """Plain means of all payoffs: logit response to the empirical frequencies of play (Fudenberg & Levine 1998)."""
    return AttractionDynamics(0.0, initial_experience=1.0, fit=("initial_experience",))


def _regret_matching() -> AttractionDynamics:
    """In proportion to positive regret (Hart & Mas-Colell 2000)."""
    return AttractionDynamics(0.0, cumulation=1.0, by="regret", choice="regret", exploration=0.02, fit=("exploration",))


def _gradient_bandit() -> AttractionDynamics:
    """Policy gradient of softmax preferences, round by round (Williams 1992)."""
    return AttractionDynamics(0.0, cumulation=1.0, by="gradient")


def _exp3() -> AttractionDynamics:
    """Own payoffs over the probability of having seen them, added up (Auer et al. 2002)."""
    return AttractionDynamics(0.0, cumulation=1.0, by="importance", exploration=0.1, fit=("exploration",))


def policy_gradient(block: int, shared: bool = False) -> LearnerDynamics:
    """Policy gradient in blocks of rounds: PPO and other batch learners (Schulman et al. 2017), own or shared."""
    fit = ("momentum", "precision", "exploration", "tracking")
    return BatchGradientDynamics(block, exploration=0.02, tracking=3.0, shared=shared, fit=fit)


def own_payoff_blocks(block: int) -> AttractionDynamics:
    """Own payoffs, learnt from in blocks of rounds: Q-learning from batches."""
    return AttractionDynamics(
        0.25,
        forgone_weight=0.0,
        forgets="updated",
        block=block,
        exploration=0.05,
        fit=("learning_rate", "exploration"),
    )


MEMBERS: dict[str, Callable[[], AttractionDynamics]] = {
    "logit-Q": _logit_q,
    "logit-Q, own payoff": _own_logit_q,
    "averages, own payoff": _own_averages,
    "UCB": _ucb,
    "Roth-Erev": _roth_erev,
    "EWA": _ewa,
    "Hedge": _hedge,
    "fictitious play": _fictitious_play,
    "regret matching": _regret_matching,
    "gradient bandit": _gradient_bandit,
    "EXP3": _exp3,
}
ROUND_BY_ROUND = ("gradient bandit", "EXP3")
BLOCKS = (16, 64, 256)  # rounds
MOST_ROUNDS = 1000  # for members that can only be followed round by round
FEWEST_BLOCKS = 8  # in an episode, for learning in blocks to be worth a try


def default_members(num_rounds: int) -> dict[str, LearnerDynamics]:
    """Every member by name, for episodes of so many rounds: long ones may be learnt from in blocks.

    Precision is 1, so that payoffs are in logits; but the policy gradient in blocks, which knows no scale of payoffs.
    """
    members: dict[str, LearnerDynamics] = {
        name: build() for name, build in MEMBERS.items() if num_rounds <= MOST_ROUNDS or name not in ROUND_BY_ROUND
    }
    for block in BLOCKS:
        if num_rounds >= FEWEST_BLOCKS * block:
            members[f"policy gradient, blocks of {block}"] = policy_gradient(block)
            members[f"shared policy gradient, blocks of {block}"] = policy_gradient(block, shared=True)
            members[f"own payoff, blocks of {block}"] = own_payoff_blocks(block)
    return members
