"""Tasks of a moment, for the tests of the suite. A module of its own, so that spawned processes can import it."""

import os
import signal
from dataclasses import replace
from functools import partial

from diml_envs.mechanisms import AnonymousMechanism, CongestionMechanism, NeuralMechanism
from diml_inverse.benchmark.tasks.task import PAPER


def broken_draw(seed):
    raise RuntimeError("no mechanism today")


def dying_draw(seed):
    os.kill(os.getpid(), signal.SIGKILL)


SIZES = {"num_episodes": 5, "num_rounds": 10, "simulated_episodes": 4, "compared_profiles": 20}

CONGESTION = replace(
    PAPER["E2"],
    draw=partial(CongestionMechanism.random, 2, 3),
    published_form=partial(NeuralMechanism, 2, 3, 2, (8,)),
    network=partial(NeuralMechanism, 2, 3, 2, (8,)),
    formula=partial(CongestionMechanism, 2, 3),
    formula_ridge=0.1,
    **SIZES,
)
CROWD = replace(
    PAPER["E7-n40"],
    draw=partial(AnonymousMechanism.random, 9, 6, 3),
    published_form=partial(AnonymousMechanism, 9, 6, 3, (16,)),
    network=partial(AnonymousMechanism, 9, 6, own_action="output", hidden=(16,)),
    **SIZES,
)
UNSTRUCTURED = replace(CONGESTION, name="E1", formula=None)
BROKEN = replace(CONGESTION, name="E3", draw=broken_draw)
DYING = replace(CROWD, draw=dying_draw)
