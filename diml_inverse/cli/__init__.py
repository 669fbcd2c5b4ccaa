"""The command line: `diml envs`, `rollout`, `fit`, `evaluate`. Files for people, CSV on stdout, notes on stderr."""

from diml_inverse.cli.group import main

__all__ = ["main"]
