"""Whether a fitted model describes the agents: checks, tables, a picture and one sentence."""

from diml_inverse.diagnosis.diagnosis import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
