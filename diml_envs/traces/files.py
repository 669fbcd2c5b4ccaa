"""Traces in files, by ending: `.nc` holds everything; `.parquet` and `.csv` hold the long data frame.

* `.nc` is netCDF-4 (`diml_envs.netcdf`), the format to keep traces in.
* `.parquet` holds the long frame with labels and metadata beside it, so that it too comes back as it was.
* `.csv` is written with commas and read with commas, semicolons, tabs or bars (`diml_envs.traces.delimited`). It holds
  the long frame and no more: actions that nobody played and metadata are lost, and columns in which
  every value reads as a number or as True/False become that. An empty action field is an unobserved action.

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
from diml_envs.traces.delimited import dialect_of, read_delimited
from diml_envs.traces.frame_checks import check_columns
from diml_envs.traces.frames import traces_from_frame, traces_to_frame
from diml_envs.traces.labels import Label, checked_labels
from diml_envs.traces.netcdf import read_netcdf, write_netcdf
from diml_envs.traces.traces import Traces

_DESCRIPTION = b"diml_traces"  # key in a Parquet file's schema
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")  # more digits are an identifier, which must not be rounded
_NUMBER = re.compile(r"(?![+-]?[0-9]{16,}$)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def save_traces(traces: Traces, path: str | Path) -> None:
    """Write to `path`, whole or not at all, in the format of its ending: `.nc`, `.parquet` or `.csv`.

    Raises:
        ValueError: another ending.
        OSError: the path cannot be written to.
    """
    write, _ = _format(path)
    with atomic_write(path) as temporary:
        write(traces, temporary)


def load_traces(path: str | Path, **columns: Any) -> Traces:
    """Read `.nc`, `.parquet` or `.csv`.

    Args:
        path: the file.
        columns: arguments of `traces_from_frame` (episode="pair", action_labels=...) for a frame of other columns.
            Such a file is read as anyone's: what was saved beside the frame is not used. Defaults change nothing.

    Raises:
        ValueError: names the file, and what is wrong with it.
        FileNotFoundError: no such file.
    """
    _, read = _format(path)
    columns = {name: value for name, value in columns.items() if value is not None and value != name}
    with open(path, "rb"):
        pass  # what the system has against it (not found, no permission, a folder) is best said in its own words
    try:
        return read(Path(path), **columns)
    except (ValueError, OSError, MemoryError, pa.ArrowException) as error:
        raise ValueError(f"{path}: {error}") from error


def _write_csv(traces: Traces, path: Path) -> None:
    traces_to_frame(traces).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _read_csv(path: Path, **columns: Any) -> Traces:
    names = [columns.get(name, name) for name in ("episode", "round", "agent", "action")]
    frame = read_delimited(path, names)
    decimal = dialect_of(path, names).decimal
    for name in {names[0], names[1], names[3]} & set(frame.columns):  # names of agents stay text
        if list(frame.columns).count(name) == 1:
            frame[name] = _typed(frame[name], decimal)
    return traces_from_frame(frame, **columns)


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


def _write_parquet(traces: Traces, path: Path) -> None:
    frame = traces_to_frame(traces)
    if _mixed(traces.action_labels):
        frame["action"] = frame["action"].astype(object).map(str, na_action="ignore")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    labels = dict(zip(traces.agents, traces.action_labels, strict=True))
    kept = {"action_labels": labels, "episodes": traces.episodes, "metadata": traces.metadata}
    table = table.replace_schema_metadata({**table.schema.metadata, _DESCRIPTION: json.dumps(kept)})
    pyarrow.parquet.write_table(table, path, write_page_checksum=True)


def _read_parquet(path: Path, **columns: Any) -> Traces:
    with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    frame, description = table.to_pandas(ignore_metadata=True), (table.schema.metadata or {}).get(_DESCRIPTION)
    if description is None or columns:
        return traces_from_frame(frame, **columns)
    labels, episodes, metadata = _described(description)
    check_columns(frame, ["episode", "round", "agent", "action"])
    for name, known in (("episode", episodes), ("agent", list(labels))):
        if not frame[name].isin(known).all():
            raise ValueError(f"its description of labels and metadata lacks a label that column {name!r} has")
    # Parquet keeps the order of categories that are text, not of those that are numbers.
    frame = frame.assign(
        episode=pd.Categorical(frame["episode"], episodes), agent=pd.Categorical(frame["agent"], list(labels))
    )
    as_written = {name: list(map(str, own)) for name, own in labels.items()} if _mixed(labels.values()) else labels
    traces = traces_from_frame(frame, action_labels=as_written)
    in_turn = [labels[name] for name in traces.agents]
    return Traces(traces.actions, traces.lengths, traces.agents, in_turn, traces.episodes, metadata)


def _described(description: bytes) -> tuple[dict[str, list[Label]], list[Label], dict[str, Any]]:
    """Action labels of each agent, episodes and metadata, as `_write_parquet` put them beside the frame."""
    try:
        kept = json.loads(description)
        labels = {str(name): list(own) for name, own in kept["action_labels"].items()}
        return labels, list(checked_labels(kept["episodes"], "episodes")), dict(kept["metadata"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"its description of labels and metadata is damaged: {error!r}") from error


def _mixed(labels: Iterable[Sequence[Label]]) -> bool:
    """Some agents' actions are called by text, others' by numbers: more than one column can hold."""
    return len({isinstance(label, str) for own in labels for label in own}) > 1


_FORMATS: dict[str, tuple[Callable[[Traces, Path], None], Callable[..., Traces]]] = {
    ".nc": (write_netcdf, read_netcdf),
    ".parquet": (_write_parquet, _read_parquet),
    ".csv": (_write_csv, _read_csv),
}


def _format(path: str | Path) -> tuple[Callable[[Traces, Path], None], Callable[..., Traces]]:
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ValueError(f"{path}: unknown ending {ending!r}; traces are kept in {', '.join(_FORMATS)}")
    return _FORMATS[ending]
