"""`AttractionDynamics`: the family of surrogate learners."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import one_hot, pad

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.choice import regret_response
from diml_inverse.dynamics.filter import decaying_sum
from diml_inverse.dynamics.parameters import Value
from diml_inverse.dynamics.scan import scan
from diml_inverse.dynamics.state_learning import StateLearning, StateMemory
from diml_inverse.dynamics.states import StateFunction

UNTRIED = 1e-3  # trials that an untried action counts as in the bonus, so that it is large but finite


class Memory(NamedTuple):
    """What learners remember, each [*B, A]; `round` counts the rounds.

    attractions and their experience; the choice just made and how often each was made; `sums` [k, *B, A] of what the
    block under way taught.
    """

    round: int
    attractions: Tensor
    experience: Tensor
    last: Tensor
    counts: Tensor
    sums: Tensor


class AttractionDynamics(StateLearning):
    """Experience-weighted attraction learning (Camerer & Ho 1999, Econometrica 67) and its neighbours.

    With c_j = 1 if action j was chosen, the others' play such that j pays u_j, and gain g_j = forgone_weight +
    (1 - forgone_weight) c_j, an action's attraction A and experience M follow, phi = 1 - learning_rate,
    rho = phi (1 - cumulation),

        M(t+1) = rho M(t) + 1,                     A_j(t+1) = (phi M(t) A_j(t) + g_j u_j) / M(t+1)     all forget
        M_j(t+1) = (1 - g_j (1 - rho)) M_j + g_j,  A_j(t+1) = ((1 - g_j (1 - phi)) M_j A_j + g_j u_j) / M_j(t+1)
                                                                                             what is updated forgets

    and what is chosen next rests on A_j + bonus sqrt(log(t) / times j was chosen) + habit c_j by the logit rule

        pi = (1 - exploration) softmax(precision A) + exploration / number of actions.

    Cumulation 0 averages payoffs, 1 adds them up. Where M starts at its steady state 1 / (1 - rho) the weight of the
    new payoff is constant: cumulation 0 and forgone weight 1 are then logit-Q (An & Du 2026).

    With states and a discount the payoff u_j of a round becomes u_j + discount V(state that follows), and A, M those of
    the state in which the round was played. With the own payoff alone (forgone weight 0, forgets "updated") that is

        Q(s, a) += learning_rate (u + discount V(s') - Q(s, a)),

    else what is not chosen counts with where it would have led. A round whose state, choice or payoffs are not known
    is then passed over: nothing is learnt from it. The level of payoffs matters to such learners.

    Args:
        learning_rate: 1 - phi, in [0, 1].
        forgone_weight: of payoffs not received; 1 full feedback, 0 own payoff only.
        cumulation: kappa of Camerer & Ho.
        initial_experience: M(0); None: the steady state.
        precision: in 1 / payoff. Play shows its product with the payoffs only: fit it only where payoffs are known.
        exploration: share of choices made uniformly at random.
        bonus: of actions rarely tried (UCB1: Auer, Cesa-Bianchi & Fischer 2002), in payoff units.
        habit: added to the action just chosen, in payoff units.
        forgets: "all" or only the "updated" actions' attractions.
        by: what moves attractions: "payoff" as above; "regret", u_j less the payoff received; "gradient", the policy
            gradient (own payoff - its mean) (c_j - pi_j), the mean that over the block, or over all rounds before if a
            block is one round (Williams 1992); "importance", the own payoff over the probability with which it was
            chosen (EXP3: Auer et al. 2002).
        choice: "logit", or "regret": in proportion to softplus(precision A) (smoothed Hart & Mas-Colell 2000).
        block: rounds after which attractions move, all at once, by the block's mean.
        inertia: probability with which the last own action is kept instead of chosen anew (within a match, if there are
            states).
        discount: of the value of what follows a round.
        exploration_rounds, exploration_floor: see `exploration_falls`.
        state: attractions are those of a state, of which only the present one's move; see `States`. A match begins in a
            state of its own. None: a single state.
        value: of the state that follows: its largest attraction ("max": Q-learning), their mean over choice
            probabilities ("mean": expected SARSA; without habit and inertia) or the attraction of the action chosen
            there ("chosen": SARSA; learners then learn from a round when they have made their next choice).
        first_attractions: numbers [A], [S, A] or [N, S, A]; "fit", or their name in `fit`: fitted; None: zero.
        persists: whether a person's attractions last from match to match.
        end: whether learners see that a match is over, so that nothing follows its last round, or not.
        exploration_falls: None; "linear", from `exploration` to zero over `exploration_rounds`; or "exponential", as
            exp(-rounds / exploration_rounds) to `exploration_floor`. Counted over all rounds that a person played.
        fit: names of parameters to be fitted with the mechanism, on scales where no bound is hit. One number is shared
            by all agents; for one of each agent's own give a list of N.

    Raises:
        ValueError: a parameter outside its range, or a combination that means nothing.
    """

    def __init__(
        self,
        learning_rate: Value = 0.25,
        forgone_weight: Value = 1.0,
        cumulation: Value = 0.0,
        initial_experience: Value | None = None,
        precision: Value = 1.0,
        exploration: Value = 0.0,
        bonus: Value = 0.0,
        habit: Value = 0.0,
        inertia: Value = 0.0,
        discount: Value = 0.0,
        exploration_rounds: Value = 100.0,
        exploration_floor: Value = 0.0,
        *,
        state: str | StateFunction | None = None,
        value: Literal["max", "mean", "chosen"] = "max",
        first_attractions: ArrayLike | str | None = None,
        persists: bool = True,
        end: Literal["seen", "unseen"] = "seen",
        exploration_falls: Literal["linear", "exponential"] | None = None,
        forgets: Literal["all", "updated"] = "all",
        by: Literal["payoff", "regret", "gradient", "importance"] = "payoff",
        choice: Literal["logit", "regret"] = "logit",
        block: int = 1,
        fit: Collection[str] = (),
    ) -> None:
        given: dict[str, Value] = {
            "learning_rate": learning_rate,
            "forgone_weight": forgone_weight,
            "cumulation": cumulation,
            "precision": precision,
            "exploration": exploration,
            "bonus": bonus,
            "habit": habit,
        }
        if initial_experience is not None:
            given["initial_experience"] = initial_experience
        if inertia != 0 or "inertia" in fit:
            given["inertia"] = inertia
        if discount != 0 or "discount" in fit:
            given["discount"] = discount
        if exploration_falls is not None:
            given["exploration_rounds"] = exploration_rounds
        if exploration_falls == "exponential":
            given["exploration_floor"] = exploration_floor
        super().__init__(given, [name for name in fit if name != "first_attractions"])
        self._set_states(state, value, first_attractions, "first_attractions" in fit, exploration_falls)
        self.persists, self.end = persists, end
        self.forgets, self.by, self.choice, self.block = forgets, by, choice, block
        self._check_options()
        full = "forgone_weight" not in self._used and by == "payoff"
        self.uses_actions = not full or self.stateful or bool(self._used & {"bonus", "habit", "inertia"})
        self.learns_together = state is not None  # what an agent sees of the others is part of its state

    def _check_options(self) -> None:
        for name, value, allowed in (
            ("forgets", self.forgets, ("all", "updated")),
            ("by", self.by, ("payoff", "regret", "gradient", "importance")),
            ("choice", self.choice, ("logit", "regret")),
            ("end", self.end, ("seen", "unseen")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
        if self.block < 1 or (self.block > 1 and self.by == "importance"):
            raise ValueError(f'block must be at least 1, and 1 with by="importance"; got {self.block}')
        averaging = bool((self.learner.value("cumulation") == 0).any())
        if self.by in ("gradient", "importance") and (averaging or self.forgets != "all" or self._moving):
            raise ValueError(f'by="{self.by}" adds up: it needs cumulation=1, forgets="all" and no initial_experience')
        if averaging and not self._moving and bool((self.learner.value("learning_rate") == 0).any()):
            raise ValueError("a learning_rate of 0 averages all of the past: give initial_experience, or cumulation=1")

        if self.stateful and (self.by != "payoff" or self.choice != "logit" or self.block > 1 or "bonus" in self._used):
            raise ValueError(
                'states, a discount and first attractions go with by="payoff", choice="logit", block=1 and no bonus'
            )

        if self.next_value == "chosen" and self.looks_aside:
            raise ValueError('value="chosen" knows of the own choice alone: it needs forgone_weight=0')

    @property
    def _moving(self) -> bool:
        """Experience starts away from its steady state."""
        return "initial_experience" in self.learner.names

    def config(self) -> dict[str, Any]:
        options: dict[str, Any] = {"forgets": self.forgets, "by": self.by, "choice": self.choice, "block": self.block}
        return {**super().config(), **options, **self._state_config()}

    def _state_config(self) -> dict[str, Any]:
        """Options that are not as they would be without being named."""
        fitted = [*self.learner.fitted, *(["first_attractions"] if self.fits_first else [])]
        named = {
            "state": (self.state if isinstance(self.state, str | None) else f"function {_name(self.state)}", None),
            "value": (self.next_value, "max"),
            "first_attractions": ("fit" if self.fits_first else None, None)
            if self.first is None
            else (self.first.tolist(), None),
            "persists": (self.persists, True),
            "end": (self.end, "seen"),
            "exploration_falls": (self.exploration_falls, None),
            "fit": (fitted, list(self.learner.fitted)),
        }
        return {name: value for name, (value, usual) in named.items() if value != usual}

    # What one round teaches, and how a block of it moves attractions

    def _decays(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """phi and rho."""
        kept = 1 - self.value("learning_rate", like)
        return kept, kept * (1 - self.value("cumulation", like))

    def _lesson(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        """Gain, gain x payoff and own payoff of each round, [3, *B, A]; their means over a block are its lesson."""
        chosen = one_hot(actions, payoffs.shape[-1]).to(payoffs)
        own = (chosen * payoffs).sum(-1, keepdim=True).expand_as(payoffs)
        if self.by in ("gradient", "importance"):
            return torch.stack([chosen, chosen * own, own])
        forgone = self.value("forgone_weight", payoffs)
        gain = forgone + (1 - forgone) * chosen
        return torch.stack([gain, gain * (payoffs - own if self.by == "regret" else payoffs), own])

    def _values(self, lesson: Tensor) -> Tensor:
        """What is added to weighted attractions."""
        gain, value, own = lesson
        return value - own * gain if self.by == "gradient" else value

    def _kept(self, gain: Tensor, decay: Tensor) -> Tensor:
        """What is left of what was there before, [*B, A]."""
        return decay.expand_as(gain) if self.forgets == "all" else 1 - gain * (1 - decay)

    def _growth(self, gain: Tensor) -> Tensor:
        """What is added to experience."""
        return torch.ones_like(gain) if self.forgets == "all" else gain

    def _first_experience(self, like: Tensor) -> Tensor:
        """Steady: 1 / (1 - rho)."""
        first = self.value("initial_experience", like) if self._moving else 1 / (1 - self._decays(like)[1])
        return first.expand_as(like)

    # Round by round: the definition

    def start(self, like: Tensor) -> Memory | StateMemory:
        return self.start_masked(like, None)

    def start_masked(self, like: Tensor, action_mask: Tensor | None) -> Memory | StateMemory:
        if self.stateful:
            return self.start_states(like, action_mask)
        zero = torch.zeros_like(like)
        return Memory(0, zero, self._first_experience(like), zero, zero, torch.zeros(3, *like.shape).to(like))

    def update(self, memory: Any, payoffs: Tensor, actions: Tensor) -> Memory | StateMemory:
        if isinstance(memory, StateMemory):
            return self.update_states(memory, payoffs, actions)
        chosen = one_hot(actions, payoffs.shape[-1]).to(payoffs)
        lesson, passed = self._lesson(payoffs, actions), memory.round + 1
        if self.by in ("gradient", "importance") and self.block == 1:
            value, sums = self._by_policy(memory, lesson)
            kept = self._decays(payoffs)[0] * memory.attractions
            return Memory(passed, kept + value, memory.experience, chosen, memory.counts + chosen, sums)
        sums = memory.sums + lesson
        attractions, experience = memory.attractions, memory.experience
        if passed % self.block == 0:
            attractions, experience = self._advance(attractions, experience, sums / self.block)
            sums = torch.zeros_like(sums)
        return Memory(passed, attractions, experience, chosen, memory.counts + chosen, sums)

    def _advance(self, attractions: Tensor, experience: Tensor, lesson: Tensor) -> tuple[Tensor, Tensor]:
        phi, rho = self._decays(attractions)
        gain = lesson[0]
        after = self._kept(gain, rho) * experience + self._growth(gain) if self._moving else experience
        return (self._kept(gain, phi) * experience * attractions + self._values(lesson)) / after, after

    def _by_policy(self, memory: Memory, lesson: Tensor) -> tuple[Tensor, Tensor]:
        """What depends on the choice probabilities themselves, and so on all payoffs before, not linearly."""
        chosen, _, own = lesson
        sums = memory.sums + lesson
        probs = self.log_choice_probs(self.attractions_of(memory)).exp()
        if self.by == "importance":
            return chosen * own / probs, sums
        baseline = memory.sums[2] / memory.round if memory.round else own  # the first round has nothing to compare with
        return (own - baseline) * (chosen - probs), sums

    def next_log_probs(self, memory: Any, action_mask: Tensor | None = None) -> Tensor:
        log_probs = self.log_choice_probs(self.attractions_of(memory), action_mask, memory.round)
        if "inertia" not in self._used:
            return log_probs
        return self.kept(log_probs, memory.last if self.stateful else _last_of(memory))

    def exploration_at(self, time: Tensor | int, like: Tensor) -> Tensor:
        start = self.value("exploration", like)
        if self.exploration_falls is None:
            return start
        passed = torch.as_tensor(time, device=like.device).to(like)
        passed = (passed[..., None] if passed.dim() else passed) / self.value("exploration_rounds", like)
        if self.exploration_falls == "linear":
            return start * (1 - passed).clamp(min=0)
        floor = self.value("exploration_floor", like)
        return floor + (start - floor) * (-passed).exp()

    def attractions_of(self, memory: Any) -> Tensor:
        """Attractions, bonus and habit."""
        if isinstance(memory, StateMemory):
            return self.attractions_of_state(memory)
        like, total = memory.attractions, memory.attractions
        if "bonus" in self._used:
            total = total + self.value("bonus", like) * _width(torch.tensor(memory.round).to(like), memory.counts)
        return total + self.value("habit", like) * memory.last if "habit" in self._used else total

    # The whole path at once

    def path_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        if self.stateful:
            return self.path_of_states(payoffs, actions, action_mask)
        return super().path_log_probs(payoffs, actions, action_mask)

    def path_chosen_log_probs(self, payoffs: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        if self.stateful:
            return self.path_of_states(payoffs, actions, action_mask).gather(-1, actions[..., None]).squeeze(-1)
        return super().path_chosen_log_probs(payoffs, actions, action_mask)

    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        if self.stateful:
            return self.unrolled_attractions(payoffs, actions)
        if self.by in ("gradient", "importance") and self.block == 1:
            return self.unrolled_attractions(payoffs, actions)
        if not self.uses_actions and not self._moving and self.block == 1 and not self.learner.num_agents:
            phi, rho = self._decays(payoffs)
            return decaying_sum(payoffs.flatten(2), phi, 1 - rho).reshape(payoffs.shape)
        path = self._path(self._in_blocks(self._lesson(payoffs, actions)))
        if self.block > 1:
            path = path.repeat_interleave(self.block, 1)[:, : payoffs.shape[1]]
        return path + self._extras(actions, payoffs) if self.uses_actions else path

    def _in_blocks(self, lesson: Tensor) -> Tensor:
        """Means over blocks, [3, E, T, N, A] -> [3, E, T / block, N, A]; the last may be cut off, it moves nothing."""
        if self.block == 1:
            return lesson
        rounds = lesson.shape[2]
        padded = pad(lesson, (0, 0, 0, 0, 0, -rounds % self.block))
        return padded.unflatten(2, (-1, self.block)).mean(3)

    def _path(self, lesson: Tensor) -> Tensor:
        """Attractions before each block's lesson. [3, E, K, N, A] -> [E, K, N, A]"""
        gain, values = lesson[0], self._values(lesson)
        phi, rho = self._decays(values)
        first = self._first_experience(gain[:, 0])
        if not self._moving:
            return _path(self._kept(gain, phi), values / first[:, None], torch.zeros_like(first))
        experience = _path(self._kept(gain, rho), self._growth(gain), first)
        return _path(self._kept(gain, phi), values, torch.zeros_like(first)) / experience

    def _extras(self, actions: Tensor, like: Tensor) -> Tensor:
        """Bonus and habit along the play."""
        chosen = one_hot(actions, like.shape[-1]).to(like)
        extras = torch.zeros_like(like)
        if "bonus" in self._used:
            rounds = torch.arange(like.shape[1]).to(like)[:, None, None]
            extras = extras + self.value("bonus", like) * _width(rounds, _before(chosen.cumsum(1)))
        return extras + self.value("habit", like) * _before(chosen) if "habit" in self._used else extras

    # Choice

    def respond(self, attractions: Tensor, action_mask: Tensor | None) -> Tensor:
        if self.choice == "logit":
            return super().respond(attractions, action_mask)
        return regret_response(attractions, self.value("precision", attractions), action_mask)

    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        if self.choice == "logit":
            return super().chosen_log_probs(attractions, actions, action_mask)
        return Dynamics.chosen_log_probs(self, attractions, actions, action_mask)


def _last_of(memory: Memory) -> Tensor:
    """The action just chosen, -1 before the first. [*B]"""
    chosen = memory.last.argmax(-1)
    return chosen if memory.round else chosen - 1


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _width(rounds: Tensor, counts: Tensor) -> Tensor:
    """sqrt(log(rounds) / counts); large where an action is untried."""
    tried = rounds.clamp(min=1).log() / counts.clamp(min=1)
    return torch.where(counts > 0, tried, (rounds + 1).log() / UNTRIED).sqrt()


def _path(decay: Tensor, values: Tensor, first: Tensor) -> Tensor:
    """y(0) = first, y(t+1) = decay(t) y(t) + values(t), as many as values. [E, K, *D], [E, *D] -> [E, K, *D]"""
    nothing = torch.zeros_like(first)[:, None]
    return scan(torch.cat([nothing, decay[:, :-1]], 1), torch.cat([first[:, None], values[:, :-1]], 1))


def _before(path: Tensor) -> Tensor:
    """What was there a round ago, zero at first. [E, T, *D]"""
    return torch.cat([torch.zeros_like(path[:, :1]), path[:, :-1]], 1)
