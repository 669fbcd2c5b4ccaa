"""Text files as other programs write them: read where the meaning is plain, and told what is wrong where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from diml_envs.traces import Traces

ROWS = [["episode", "round", "agent", "action"]]
ROWS += [[e, t, w, f"0.{(int(t) * 7 + int(e)) % 3}"] for e in "12" for t in "01" for w in "ab"]


def written(path: Path, delimiter: str = ",", encoding: str = "utf-8", decimal: str = ".") -> Path:
    lines = [delimiter.join(value.replace(".", decimal) if i else value for value in row) for i, row in enumerate(ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_other_separators_and_byte_order_marks_are_read(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Fault: a semicolon file was "no column 'episode'; There are ['episode;round;agent;action']"."""
    plain = Traces.load(written(tmp_path / "plain.csv"))
    assert Traces.load(written(tmp_path / "play.csv", delimiter, encoding)) == plain


def test_decimal_commas_are_read_beside_semicolons(tmp_path: Path) -> None:
    plain = Traces.load(written(tmp_path / "plain.csv"))
    assert plain.action_labels == ((0.0, 0.1, 0.2),) * 2
    assert Traces.load(written(tmp_path / "play.csv", ";", decimal=",")) == plain


def test_other_names_of_columns_decide_the_separator_too(tmp_path: Path) -> None:
    (tmp_path / "play.csv").write_text("pair;day;who,where;did\n1;0;a,b;x\n1;1;a,b;y\n")
    traces = Traces.load(tmp_path / "play.csv", episode="pair", round="day", agent="who,where", action="did")
    assert traces.agents == ("a,b",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,0,a", r"row 10 \(the header is row 1\) has 3 values where the header has 4.*: '1,0,a'\. Mend.*empty cell"),
        ("1,0,a,x,y", r"row 10 .* has 5 values where .* a value that contains ',' must stand in double quotes"),
        ("1,0,a\n1,1", r"row 10 .* has 3 values .*; so have 1 more rows"),
    ],
)
def test_rows_of_the_wrong_length_are_told_with_the_remedy(tmp_path: Path, row: str, message: str) -> None:
    """Fault: "Row #3: Expected 5 columns, got 4"."""
    path = written(tmp_path / "play.csv")
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(ValueError, match=message):
        Traces.load(path)


@pytest.mark.parametrize("line", [1, 3])
def test_text_in_another_encoding_is_told(tmp_path: Path, line: int) -> None:
    lines = written(tmp_path / "play.csv").read_bytes().splitlines()
    lines[line - 1] = b"caf\xe9," + lines[line - 1]
    if line == 3:
        lines = [b"x," + row if i != 2 else row for i, row in enumerate(lines)]
        lines = [row.replace(b",a,", b",\xe9,") for row in lines]
    (tmp_path / "play.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"not UTF-8 text.*save it as CSV in UTF-8"):
        Traces.load(tmp_path / "play.csv")


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "play.csv").write_text("")
    with pytest.raises(ValueError, match=r"play\.csv: the file is empty"):
        Traces.load(tmp_path / "play.csv")
