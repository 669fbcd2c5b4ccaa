"""What `diml fit` and `diml evaluate` say of how well the fit describes the agents."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism
from diml_inverse import LogitDynamics, simulate
from diml_inverse.cli import main

GIVEN = ("--learning-rate", 0.25, "--precision", 6, "--exploration", 0.06)


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Play by logit-Q learners and by players who copy the other's last choice, and a fit to each."""
    path = tmp_path_factory.mktemp("diagnosis")
    plays, more = simulate(CongestionMechanism.random(2, 2, seed=0), LogitDynamics(0.25, 6.0, 0.06), 60, 30).split(0.6)
    plays.save(path / "plays.csv")
    more.save(path / "more.csv")
    rng = np.random.default_rng(0)
    copied = np.zeros((30, 30, 2), int)
    for t in range(1, 30):
        copied[:, t] = np.where(rng.random((30, 2)) < 0.1, 1 - copied[:, t - 1, ::-1], copied[:, t - 1, ::-1])
    Traces(copied).save(path / "copied.csv")
    return path


def test_fit_says_whether_the_learners_are_described(folder):
    fitted = diml("fit", folder / "plays.csv", "-o", folder / "fit", *GIVEN)
    assert "on these plays, to which it was fitted: The model describes the agents" in fitted.stderr
    facts = json.loads((folder / "fit" / "fit.json").read_text())
    assert facts["verdict"] in fitted.stderr
    assert facts["decisions"] == 36 * 29 * 2
    copied = diml("fit", folder / "copied.csv", "-o", folder / "copied", *GIVEN)
    assert "The model does not describe" in copied.stderr


def test_evaluate_says_it_and_leaves_tables_and_a_picture(folder):
    diml("fit", folder / "plays.csv", "-o", folder / "judged", *GIVEN)
    for _ in range(2):  # the second replaces the first
        result = diml("evaluate", folder / "judged", folder / "more.csv")
        assert result.exit_code == 0, result.output
    verdict = (folder / "judged" / "diagnosis" / "verdict.txt").read_text().strip()
    assert verdict in result.stderr
    assert verdict.startswith("The model describes the agents")
    assert (folder / "judged" / "diagnosis" / "diagnosis.png").exists()
    checks = pd.read_csv(folder / "judged" / "diagnosis" / "checks.csv")
    assert set(checks["play"]) == {"traces"}
    scores = pd.read_csv(io.StringIO(result.stdout)).set_index("metric")["value"]
    likelihoods = pd.read_csv(folder / "judged" / "diagnosis" / "likelihoods.csv").set_index("predictor")
    assert scores["cloning_log_likelihood"] == pytest.approx(likelihoods.loc["cloning", "log_likelihood"])
    assert scores["log_likelihood"] == pytest.approx(likelihoods.loc["model", "log_likelihood"])


def test_evaluate_checks_what_was_fitted_to_too(folder):
    diml("fit", folder / "plays.csv", "-o", folder / "both", *GIVEN)
    wanted = ("evaluate", folder / "both", folder / "more.csv", "--train", folder / "plays.csv", "-o", folder / "new")
    assert diml(*wanted).exit_code == 0
    assert set(pd.read_csv(folder / "new" / "checks.csv")["play"]) == {"traces", "train"}
    (folder / "other").mkdir()
    (folder / "other" / "thesis.tex").write_text("years of work")
    refused = diml("evaluate", folder / "both", folder / "more.csv", "-o", folder / "other")
    assert refused.exit_code == 1
    assert "name another folder" in refused.stderr
    assert "no file" in diml("evaluate", folder / "both", folder / "more.csv", "--train", folder / "none.csv").stderr
