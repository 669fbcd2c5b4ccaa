"""Options that several commands have, and what can be said of them before torch is loaded."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import click

from diml_inverse import plugins
from diml_inverse.cli.commands.changes import change_options, changes_asked_for

Command = TypeVar("Command", bound=Callable[..., Any])

MECHANISMS = ("tabular", "structure", "neural", "anonymous", "congestion", "public-goods")
QUICK_EPISODES = 20  # of `diml bench --quick`
LEARNER_PARAMETERS = ("learning_rate", "precision", "exploration")


class Columns(NamedTuple):
    """Names of the columns that make traces, None for one that is not there; agents whose moves are given; and what to
    change while reading, as arguments of `Traces.from_frame`."""

    episode: str = "episode"
    round: str = "round"
    agent: str | None = "agent"
    action: str = "action"
    person: str | None = "person"
    session: str | None = "session"
    match: str | None = None
    other: str | None = None
    given: tuple[str, ...] = ()
    changes: Mapping[str, Any] = MappingProxyType({})

    def reading(self) -> dict[str, Any]:
        """Arguments of `Traces.from_frame`."""
        return {name: value for name, value in self._asdict().items() if name != "changes"} | dict(self.changes)

    def mended(self, frame: Any) -> Any:
        """The frame with the changes to its rows."""
        from diml_envs.traces.remedies import remedied  # late: torch takes seconds to load

        changes: Any = {name: value for name, value in self.changes.items() if name != "action_labels"}
        return remedied(frame, self.episode, self.round, str(self.agent or self.person), self.action, changes)

    def labels(self) -> list[str]:
        """All names, each once; those of persons and sessions need not be there."""
        return list(dict.fromkeys(name for name in self[: len(COLUMN_HELP)] if isinstance(name, str)))


COLUMN_HELP = {
    "episode": "Column of the episode, in a CSV or Parquet file.",
    "round": "Column of the round.",
    "agent": 'Column of the agent, or seat; "" where seats mean nothing and persons tell who is who.',
    "action": "Column of the action.",
    "person": "Column of who sat in the seat; empty where the move is given. Used where there is one by this name.",
    "session": "Column of the episode's session. Used where there is one by this name.",
    "match": "Column of the round's group, where groups change; the episode is then the session.",
    "other": "Column of the other's choice, where a row holds both.",
}


def column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--episode-column` and so on and `--given`, passed together as `columns`."""

    @functools.wraps(command)  # for click: its help, and the options that it was given before
    def with_columns(**options: Any) -> Any:
        names: dict[str, Any] = {name: options.pop(f"{name}_column") or None for name in COLUMN_HELP}
        return command(
            columns=Columns(**names, given=options.pop("given"), changes=changes_asked_for(options)), **options
        )

    defaults = Columns()._asdict()
    given = click.option("--given", multiple=True, metavar="AGENT", help="Its moves are given: not fitted. Repeatable.")
    decorated: Callable[..., Any] = given(change_options(with_columns))
    for name, words in reversed(COLUMN_HELP.items()):
        default = defaults[name]
        option = click.option(f"--{name}-column", default=default, show_default=default is not None, help=words)
        decorated = option(decorated)
    return decorated


class Between(click.ParamType):
    """A number in a range; the message is that of the learners' own check."""

    name = "float"

    def __init__(self, low: float, high: float = math.inf, end: str = "infinity)") -> None:
        self.low, self.high, self.range = low, high, f"[{low:g}, {end}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = click.FLOAT.convert(value, param, ctx)
        if not (self.low <= number < self.high or (self.range.endswith("]") and number == self.high)):
            raise click.UsageError(f"{param.name if param else 'it'} must be in {self.range}; got {number:g}")
        return number


def check_mechanism_name(given: str) -> None:
    """Raise what `plugins.find` does unless a form is called so; before any work is done for it."""
    if given not in ("auto", *MECHANISMS):
        plugins.find(given, plugins.MECHANISMS, dict.fromkeys(MECHANISMS))


def form_options(command: Command) -> Command:
    """`--mechanism`, `--learners` and the learners' parameters."""
    options = (
        click.option(
            "--mechanism",
            default="auto",
            show_default=True,
            help=f"Form to fit: auto, {', '.join(MECHANISMS)}, an installed plug-in, or FILE.py:NAME.",
        ),
        click.option(
            "--learning-rate",
            type=Between(0, 1, "1]"),
            help="How much the last round weighs in what agents have learnt. Default: as the file says, else 0.25.",
        ),
        click.option(
            "--precision",
            type=Between(0),
            help="How sharply agents prefer what has paid more. Default: as the file says, else 1.",
        ),
        click.option(
            "--exploration",
            type=Between(0, 1, end="1)"),
            help="How often agents choose blindly. Default: as the file says, else 0.02.",
        ),
        click.option(
            "--learners",
            type=click.Choice(["logit-q", "auto"]),
            default="logit-q",
            show_default=True,
            help="How the agents learn. auto compares models of learning on held-out episodes and fits the best.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_learners(asked: Mapping[str, Any]) -> None:
    """Raise a click error for a parameter that is given although all are to be found out."""
    named = [name for name in LEARNER_PARAMETERS if asked[name] is not None]
    if asked["learners"] == "auto" and named:
        raise click.UsageError(f"--{named[0].replace('_', '-')} has no meaning with --learners auto, which fits it")


human_play_option = click.option(
    "--human-play",
    envvar="DIML_HUMAN_PLAY",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of human play (inspection_game/ and repeated_pd/, each with plays.csv and truth.json), which does "
    "not come with this program. Without it those tasks are skipped.  [variable: DIML_HUMAN_PLAY]",
)
