"""The command line `diml`, a module for each command. Files for people, CSV on stdout, notes on stderr."""

from diml_inverse.cli.group import main

__all__ = ["main"]
