"""Traces in files, by ending: `.nc` holds everything; `.parquet` and `.csv` hold the long data frame.

* `.nc` is netCDF-4 (`diml_envs.traces.netcdf`), the format to keep traces in.
* `.parquet` holds the long frame with labels and metadata beside it, so that it too comes back as it was.
* `.csv` is written with commas and read with commas, semicolons, tabs or bars (`diml_envs.traces.delimited`). It holds
  the long frame and no more: actions that nobody played, metadata, and where no persons are named the agents whose
  moves are given, are lost, and columns in which every value reads as a number or as True/False become that. An empty
  action field is an unobserved action.

Files written by others, with columns of any name, load from `.parquet` and `.csv`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from diml_envs.traces.atomic import atomic_write
from diml_envs.traces.columns import Columns
from diml_envs.traces.delimited import dialect_of, read_delimited
from diml_envs.traces.fields import Fields
from diml_envs.traces.frame_checks import check_columns
from diml_envs.traces.frames import fields_of_frame, frame_of_fields
from diml_envs.traces.labels import Label, checked_labels
from diml_envs.traces.netcdf import read_netcdf, write_netcdf

_DESCRIPTION = b"diml_traces"  # key in a Parquet file's schema
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")  # more digits are an identifier, which must not be rounded
_NUMBER = re.compile(r"(?![+-]?[0-9]{16,}$)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def write_fields(play: Any, path: str | Path) -> None:
    """Write to `path`, whole or not at all, in the format of its ending: `.nc`, `.parquet` or `.csv`.

    Args:
        play: has the attributes of `Traces`.
        path: the file.

    Raises:
        ValueError: another ending.
        OSError: the path cannot be written to.
    """
    write, _ = _format(path)
    with atomic_write(path) as temporary:
        write(play, temporary)


def read_fields(path: str | Path, **choices: Any) -> Fields:
    """Read `.nc`, `.parquet` or `.csv`: the arguments of `Traces`.

    Args:
        path: the file.
        choices: arguments of `Traces.from_frame` (episode="pair", action_labels=...) for a frame of other columns.
            Such a file is read as anyone's: what was saved beside the frame is not used. Defaults change nothing.

    Raises:
        ValueError: names the file, and what is wrong with it.
        FileNotFoundError: no such file.
    """
    _, read = _format(path)
    with open(path, "rb"):
        pass  # what the system has against it (not found, no permission, a folder) is best said in its own words
    names = Columns._field_defaults
    changed = {name: value for name, value in choices.items() if name in names and value != names[name]}
    changed |= {name: value for name, value in choices.items() if name not in names and value}
    try:
        return read(Path(path), **changed)
    except (ValueError, OSError, MemoryError, pa.ArrowException) as error:
        raise ValueError(f"{path}: {error}") from error


def _of_frame(frame: pd.DataFrame, **choices: Any) -> Fields:
    names = {name: choices.pop(name) for name in Columns._fields if name in choices}
    return fields_of_frame(frame, Columns(**names), **choices)


def _write_csv(play: Any, path: Path) -> None:
    frame_of_fields(play).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def read_frame(path: str | Path, columns: Columns) -> pd.DataFrame:
    """The table in a `.csv` or `.parquet` file.

    The named columns of a CSV become numbers or truth values where all their text reads so; names of agents stay text.

    Raises:
        ValueError: another ending, or rows that are not whole.
    """
    if Path(path).suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    if Path(path).suffix.lower() != ".csv":
        raise ValueError(f"{path}: not a table; it must end in .csv or .parquet")
    names = [name for name in columns if name is not None]
    frame, decimal = read_delimited(Path(path), names), dialect_of(Path(path), names).decimal
    for name in (set(names) - {columns.agent}) & set(frame.columns):
        if list(frame.columns).count(name) == 1:
            frame[name] = _typed(frame[name], decimal)
    return frame


def _read_csv(path: Path, **choices: Any) -> Fields:
    columns = Columns(**{name: value for name, value in choices.items() if name in Columns._fields})
    return _of_frame(read_frame(path, columns), **choices)


def _typed(column: pd.Series[Any], decimal: str) -> Any:
    """Numbers or truth values where all the text in the column reads so; empty text is missing."""
    codes, texts = pd.factorize(column.replace("", None))
    if decimal == "," and all(_NUMBER.fullmatch(text.replace(",", ".")) for text in texts):
        texts = texts.map(lambda text: text.replace(",", "."))
    if all(_INTEGER.fullmatch(text) for text in texts):
        return pd.array([int(text) for text in texts], dtype="Int64").take(codes, allow_fill=True)
    if all(_NUMBER.fullmatch(text) for text in texts):
        return pd.array([float(text) for text in texts], dtype="Float64").take(codes, allow_fill=True)
    if {text.lower() for text in texts} <= {"true", "false"}:
        return pd.array([text.lower() == "true" for text in texts], dtype="boolean").take(codes, allow_fill=True)
    return column


def _write_parquet(play: Any, path: Path) -> None:
    frame = frame_of_fields(play)
    if _mixed(play.action_labels):
        frame["action"] = frame["action"].astype(object).map(_as_text, na_action="ignore")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    labels = dict(zip(play.agents, play.action_labels, strict=True))
    kept = {"action_labels": labels, "episodes": play.episodes, "metadata": play.metadata, "given": play.given}
    table = table.replace_schema_metadata({**table.schema.metadata, _DESCRIPTION: json.dumps(kept)})
    pyarrow.parquet.write_table(table, path, write_page_checksum=True)


def _read_parquet(path: Path, **choices: Any) -> Fields:
    with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    frame, description = table.to_pandas(ignore_metadata=True), (table.schema.metadata or {}).get(_DESCRIPTION)
    if description is None or choices:
        return _of_frame(frame, **choices)
    labels, episodes, metadata, given = _described(description)
    check_columns(frame, ["episode", "round", "agent", "action"])
    for name, known in (("episode", episodes), ("agent", list(labels))):
        if not frame[name].isin(known).all():
            raise ValueError(f"its description of labels and metadata lacks a label that column {name!r} has")
    # Parquet keeps the order of categories that are text, not of those that are numbers.
    frame = frame.assign(
        episode=pd.Categorical(frame["episode"], episodes), agent=pd.Categorical(frame["agent"], list(labels))
    )
    as_written = {name: list(map(_as_text, own)) for name, own in labels.items()} if _mixed(labels.values()) else labels
    fields = fields_of_frame(frame, action_labels=as_written)
    in_turn = [labels[str(name)] for name in fields.agents or ()]
    return fields._replace(action_labels=in_turn, metadata=metadata, given=given)


def _described(description: bytes) -> tuple[dict[str, list[Label]], list[Label], dict[str, Any], list[str]]:
    """Action labels of each agent, episodes, metadata and given agents, as `_write_parquet` put them there."""
    try:
        kept = json.loads(description)
        labels = {str(name): list(own) for name, own in kept["action_labels"].items()}
        given = list(checked_labels(kept.get("given", []), "given"))  # version 0.1.0 wrote none
        return labels, list(checked_labels(kept["episodes"], "episodes")), dict(kept["metadata"]), list(map(str, given))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"its description of labels and metadata is damaged: {error!r}") from error


def _mixed(labels: Iterable[Sequence[Label]]) -> bool:
    """Some agents' actions are called by text, others' by numbers: more than one column can hold."""
    return len({isinstance(label, str) for own in labels for label in own}) > 1


def _as_text(label: Label) -> str:
    """1, 1.0 and True, which are equal, alike."""
    return label if isinstance(label, str) else repr(float(label))


_FORMATS: dict[str, tuple[Callable[[Any, Path], None], Callable[..., Fields]]] = {
    ".nc": (write_netcdf, read_netcdf),
    ".parquet": (_write_parquet, _read_parquet),
    ".csv": (_write_csv, _read_csv),
}


def _format(path: str | Path) -> tuple[Callable[[Any, Path], None], Callable[..., Fields]]:
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ValueError(f"{path}: unknown ending {ending!r}; traces are kept in {', '.join(_FORMATS)}")
    return _FORMATS[ending]
