"""Estimators from outside, most of them bad, for the tests of the suite. Loaded as a plug-in: `FILE.py:Misbehaves`."""

import ctypes
import os
import time

import numpy as np


class Shares:
    """Predicts each action with its share in training, whatever happened before. Knows no payoffs."""

    def __init__(self, smoothing=1.0):
        self.smoothing = smoothing

    def fit(self, traces):
        counts = [np.bincount(own[own >= 0], minlength=count) for own, count in self._played(traces)]
        return Answer(np.array([(n + self.smoothing) / (n + self.smoothing).sum() for n in counts]))

    def _played(self, traces):
        return zip(np.moveaxis(traces.actions, -1, 0), traces.action_counts, strict=True)


class Misbehaves(Shares):
    """In one of many ways."""

    def __init__(self, how, smoothing=1.0):
        super().__init__(smoothing)
        self.how = how

    def fit(self, traces):
        good = super().fit(traces)
        if self.how == "nan":
            return Answer(np.full_like(good.shares, np.nan))
        if self.how == "shape":
            return Answer(good.shares[:, :2])
        getattr(self, self.how)()
        raise AssertionError

    def raise_(self):
        raise RuntimeError("no fit today")

    def hang(self):
        while True:
            time.sleep(1)

    def eat(self):
        np.zeros(2**45)

    def crash(self):
        ctypes.string_at(0)

    def exit(self):
        os._exit(3)


class Answer:
    def __init__(self, shares):
        self.shares = shares

    def choice_probs(self, traces):
        return np.broadcast_to(self.shares, (*traces.actions.shape[:2], *self.shares.shape))

    def log_likelihood(self, traces):
        raise NotImplementedError  # the suite asks for probabilities only
