"""`diagnose`: whether a model describes the agents whose play it was fitted to, or other play of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from diml_envs.traces import Traces
from diml_envs.traces.atomic import atomic_write
from diml_inverse.bounds import departures
from diml_inverse.diagnosis.checks import check_table
from diml_inverse.diagnosis.curves import autocorrelations, learning_curves
from diml_inverse.diagnosis.predicted import PredictedPlay
from diml_inverse.diagnosis.rivals import ahead_by_agent, ahead_of_uniform, decisions_by_agent, likelihood_table
from diml_inverse.diagnosis.verdict import FITTED, GIVEN, Status, judge, judge_agents, with_adjusted, with_shares
from diml_inverse.files import VERDICT
from diml_inverse.metrics.calibration import reliability
from diml_inverse.recovered.protocol import Predictor
from diml_inverse.recovered.recovered import Recovered

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` returns; `print` of it is the verdict.

    Attributes:
        verdict: one sentence.
        status: "describes"; "small departures": found, but each costs at most 7 % of what can be predicted beyond
            uniform choice; "too little play": nothing found, but not even a departure of 20 % of that would have been;
            "uninformative": nothing found, nor does the model predict better than uniform choice;
            "imprecise": found in play it was not fitted to only, or only by a better rival; "wrong".
        missed: nats per decision that the largest departure found costs; 0 if none was found.
        missed_share: the same, of what can be predicted beyond uniform choice; 0 to 1.
        detectable: nats per decision that a departure costs which the checks would have found 4 times in 5 (the middle
            one of them; Holm's first step).
        detectable_share: the same, of what can be predicted beyond uniform choice.
        decisions: how many of `traces` were scored.
        agents: a row for each agent, judged by its own choices: see `verdict.judge_agents`.
        checks: see `checks.check_table`; with `play` ("traces", or "train" where that was given), missed_share, and
            adjusted_p_value over all checks and rivals.
        likelihoods: see `rivals.likelihood_table`, likewise.
        learning_curves: see `curves.learning_curves`.
        calibration: see `metrics.reliability`.
        autocorrelations: see `curves.autocorrelations`.
        regrets: a sentence for each agent that would have done much better by one fixed action, were these its payoffs:
            see `bounds.departures`. No part of the verdict.
    """

    verdict: str
    status: Status
    missed: float
    missed_share: float
    detectable: float
    detectable_share: float
    decisions: int
    agents: pd.DataFrame
    checks: pd.DataFrame
    likelihoods: pd.DataFrame
    learning_curves: pd.DataFrame
    calibration: pd.DataFrame
    autocorrelations: pd.DataFrame
    regrets: tuple[str, ...] = ()

    @property
    def describes(self) -> bool:
        """No departure was found, or only small ones: the payoffs may be believed as far as their error bars go."""
        return self.status in ("describes", "small departures")

    def __str__(self) -> str:
        return "\n".join([self.verdict, *self.regrets])

    def plot(self) -> Figure:
        """Learning curves, calibration, autocorrelation and likelihoods in one picture."""
        from diml_inverse.diagnosis.pictures import picture  # only a plot needs matplotlib, and it takes long to load

        return picture(self.verdict, self.learning_curves, self.calibration, self.autocorrelations, self.likelihoods)

    def save(self, folder: str | Path) -> None:
        """Write verdict.txt, a CSV for each table and diagnosis.png into a folder, made if need be."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / VERDICT) as temporary:
            temporary.write_text(f"{self}\n")
        for name in ("agents", "checks", "likelihoods", "learning_curves", "calibration", "autocorrelations"):
            with atomic_write(folder / f"{name}.csv") as temporary:
                getattr(self, name).to_csv(temporary, index=False)
        with atomic_write(folder / "diagnosis.png") as temporary:
            self.plot().savefig(temporary, dpi=150)


def diagnose(
    model: Predictor, traces: Traces, train: Traces | int | None = None, *, cloning: bool = True, seed: int = 0
) -> Diagnosis:
    """Check a model against play, so that payoffs are not believed that rest on a wrong idea of how agents learn.

    Under the right model, choice less probability has mean zero given all that happened before. Eight checks for each
    agent, and for all together, set these residuals against something known before the choice: the time in the
    episode, the prediction itself (calibration), the residuals of earlier rounds, the agent's own choices together
    with what the others did then, and the others' choices (lately, added up, on average). Beside them stand the
    likelihoods of behavioural cloning and of constant shares of choices. A right model is said to depart in at most
    about 5 % of data sets (Holm's adjustment over all p-values). A departure is small if it costs at most 7 % of what
    can be predicted beyond uniform choice, as where a prior held payoffs back a little or the surrogate is near enough.

    On play that the model was fitted to, its residuals are smaller than the truth's, so that the checks err towards
    finding nothing; they still find wrong learners, but not too free a form. Other play shows both. Give `train` then:
    errors of estimation widen the sums tested, for maximum likelihood by at most a factor of 1 + decisions / decisions
    trained on in variance, which is allowed for, and `train` itself is checked too.

    Args:
        model: an `Estimate`, or anything that predicts choices.
        traces: the play to check against, best not fitted to.
        train: what the model was fitted to, if that is other play; or how many decisions it had, if no more is known.
            Rivals are fitted to it; else to two thirds of the episodes of `traces` to predict the other third.
        cloning: compare with `BehaviouralCloning`, a matter of seconds; all else takes less than one.
        seed: of cloning and of the thirds.

    Raises:
        ValueError: model and traces do not fit together, or no decision can be scored.
    """
    play = PredictedPlay.of(model, traces)
    inflation = 1.0 if train is None else 1 + play.scored.sum() / _decisions(train)
    fixed = PredictedPlay.on_fixed_decisions(model, traces)
    likelihoods = likelihood_table(fixed, train if isinstance(train, Traces) else None, cloning, seed)
    ahead = ahead_of_uniform(play)
    tables = [with_shares(check_table(play, inflation), ahead).assign(play=GIVEN)]
    if isinstance(train, Traces):
        fitted = PredictedPlay.of(model, train)
        tables.append(with_shares(check_table(fitted), ahead_of_uniform(fitted)).assign(play=FITTED))
    checks, likelihoods = with_adjusted(pd.concat(tables, ignore_index=True), with_shares(likelihoods, ahead))
    own, numbers = ahead_by_agent(play), decisions_by_agent(play)
    agents = judge_agents(checks, own, numbers)
    return Diagnosis(
        *judge(checks, likelihoods, agents, ahead),
        int(play.scored.sum()),
        agents,
        checks,
        likelihoods,
        learning_curves(play),
        reliability(play.probs, traces, scored=play.scored),
        autocorrelations(play),
        departures(model.mechanism, traces) if isinstance(model, Recovered) else (),
    )


def _decisions(train: Traces | int) -> int:
    number = train if isinstance(train, int) else int(train.observed[:, 1:].sum())
    if number < 1:
        raise ValueError(f"train has no decision that a model could have been fitted to: {train}")
    return number
