"""`main`: the commands by name, each imported when it is called, and what they do with errors."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from diml_inverse.cli.settings import check_name

# Here and not in the commands' modules, so that `diml --help` need not import torch.
COMMANDS = {
    "envs": "List the registered games.",
    "rollout": "Let learning agents play a game, and record what they did.",
    "inspect": "Look at recorded play before a fit: what was read, and what to decide first.",
    "fit": "Recover payoffs from recorded play.",
    "identify": "Say which payoff differences the recorded play pins down.",
    "bounds": "Bound payoffs without believing any model of learning.",
    "evaluate": "Judge a fit by other play.",
    "tasks": "List the benchmark's tasks, or write one as files.",
    "bench": "Run a suite of tasks and estimators.",
    "score": "Judge answers that another program gave to a task.",
    "report": "Show the results of an evaluation as a web page.",
}


class Commands(click.Group):
    """Wrong input ends in one line on stderr, never a traceback; Ctrl-C ends with exit code 130."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"diml_inverse.cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-"):
            check_name(args[0], COMMANDS, "command")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)
        except click.UsageError as error:
            error.ctx = None  # or click puts two lines of usage before the one that matters
            raise
        except (ValueError, OSError, ArithmeticError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of stdout has had enough: click's to handle
            raise click.ClickException(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    """A file that is not there by its name, without Python's number of the error."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


@click.group(cls=Commands)
@click.version_option(package_name="diml")
def main() -> None:
    """Recover the payoffs that learning agents played for, from what they did alone.

    \b
    Example:
      diml rollout diml/congestion_v0 --seed 0 -o plays.nc
      diml fit plays.nc -o fit/
    """
