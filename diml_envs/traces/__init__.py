"""Observed play: the type, its files, and long data frames in and out."""

from diml_envs.traces.labels import Label
from diml_envs.traces.traces import MISSING, Traces

__all__ = ["MISSING", "Label", "Traces"]
