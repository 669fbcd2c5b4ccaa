"""Delimited text as people's programs write it: which sign separates, which encoding, and rows of the wrong length."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.csv

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SHOWN = 60  # characters of a row in a message


class Dialect(NamedTuple):
    """How a text file is written. With semicolons, decimals are often written with a comma: both are read then."""

    delimiter: str
    encoding: str

    @property
    def decimal(self) -> str:
        """The sign in 0.5 or 0,5."""
        return "," if self.delimiter == ";" else "."


def dialect_of(path: Path, wanted: Iterable[str]) -> Dialect:
    """From the first line: the sign that makes most of the wanted columns of it, or else most columns.

    Raises:
        ValueError: the first line is not text.
    """
    with open(path, "rb") as start:
        encoding = _MARKS.get(start.read(2), "utf-8-sig")
    with open(path, encoding=encoding) as file:
        try:
            header = file.readline(100_000).rstrip("\n")
        except UnicodeError as error:
            raise ValueError(f"its first line is not UTF-8 text ({error}); save it as CSV in UTF-8") from error
    names = set(wanted)

    def fit(delimiter: str) -> tuple[int, int]:
        fields = next(csv.reader([header], delimiter=delimiter), [])
        return len(names & set(fields)), len(fields)

    return Dialect(max(DELIMITERS, key=fit), encoding)  # commas where none is better


def read_delimited(path: Path, as_text: Iterable[str]) -> pd.DataFrame:
    """The table in a file of any dialect; the columns `as_text` are not interpreted.

    Raises:
        ValueError: rows that are longer or shorter than the header, text that is not UTF-8 or UTF-16; says where.
    """
    names = list(as_text)
    dialect = dialect_of(path, names)
    bad: list[Any] = []

    def keep(row: Any) -> str:
        bad.append(row)
        return "skip"

    try:
        # Arrow's reader rather than pandas': a row that is cut short is an error there, not one with empty cells.
        table = pyarrow.csv.read_csv(
            path,
            # With threads, rows are not counted.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, encoding=dialect.encoding.removesuffix("-sig")),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), decimal_point=dialect.decimal
            ),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(_in_words(error)) from error
    if bad:
        raise ValueError(_wrong_length(bad, dialect))
    return table.to_pandas()


def _in_words(error: pa.ArrowInvalid) -> str:
    message = str(error)
    if "Empty CSV file" in message:
        return "the file is empty"
    if "UTF8" in message:
        return f"it is not UTF-8 text ({message}); save it as CSV in UTF-8"
    return message


def _wrong_length(bad: list[Any], dialect: Dialect) -> str:
    first = bad[0]
    more = f"; so have {len(bad) - 1} more rows" if len(bad) > 1 else ""
    text = first.text if len(first.text) <= _SHOWN else first.text[:_SHOWN] + "..."
    remedy = (
        "an empty cell still needs its separator"
        if first.actual_columns < first.expected_columns
        else (f"a value that contains {dialect.delimiter!r} must stand in double quotes")
    )
    return (
        f"row {first.number} (the header is row 1) has {first.actual_columns} values where the header has "
        f"{first.expected_columns} columns{more}: {text!r}. Mend the file: {remedy}"
    )
