"""Files and frames gone wrong in every way, to every reader: a clear error or a right answer, and never anything else.

Some dozens of cases with every run of the tests, 2,400 with the slow ones; the same ones each time.
"""

from __future__ import annotations

import json
import math
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import traces

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, EnsembleMechanism, NeuralMechanism, TabularMechanism
from diml_inverse import DIML, AttractionDynamics, Estimate, LogitDynamics, TabularMLE

HERE = Path(__file__).parent
LONGEST = 20  # seconds for one file, on a busy machine
EITHER = pytest.mark.parametrize("cases", [20, pytest.param(400, marks=pytest.mark.slow)])


class Reader:
    """The process that reads; started again after what ended it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "reader_process.py"), str(self.folder / "first.nc")]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def judge(self, reader: str, content: bytes, ending: str) -> dict[str, str]:
        """What it says of a file with this content; fails unless it was refused clearly or read rightly."""
        path = self.folder / f"file{ending}"
        path.write_bytes(content)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([reader, str(path)]) + "\n")
        self.process.stdin.flush()
        ready = select.select([self.process.stdout], [], [], LONGEST)[0]
        answer = self.process.stdout.readline() if ready else ""
        if not answer:
            self.process.kill()
            code = self.process.wait()
            self.process = self._started()
            pytest.fail(f"hung for {LONGEST} s" if not ready else f"the process ended with {code}: {content[:200]!r}")
        verdict: dict[str, str] = json.loads(answer)
        assert "fault" not in verdict, f"{verdict['fault']}\n{content[:2000]!r}"
        return verdict


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = Reader(tmp_path_factory.mktemp("fuzz"))
    yield made
    made.process.kill()
    made.process.communicate()


def fuzz(cases: int, check: Callable[..., None], **strategies: Any) -> None:
    """Hypothesis on a function made inside a test, with so many cases."""
    run = given(**strategies)(check)
    settings(max_examples=cases, suppress_health_check=list(HealthCheck))(run)()


def saved(made: Any, folder: Path, ending: str) -> bytes:
    path = folder / f"whole{ending}"
    made.save(path)
    return path.read_bytes()


# Bytes

places = st.floats(0, 1, exclude_max=True)
damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "insert", "zero", "repeat"]), places, st.binary(min_size=1, max_size=12)
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, how: list[tuple[str, float, bytes]]) -> bytes:
    """Bytes changed, lost, put in or said twice."""
    for kind, place, extra in how:
        at, size = int(place * len(content)), len(extra)
        if kind == "cut":
            content = content[:at]
        elif kind == "drop":
            content = content[:at] + content[at + size :]
        elif kind == "insert":
            content = content[:at] + extra + content[at:]
        elif kind == "repeat":
            content = content[:at] + content[max(at - 16 * size, 0) :]
        else:
            new = bytes(size) if kind == "zero" else bytes(a ^ b for a, b in zip(content[at:], extra, strict=False))
            content = content[:at] + new + content[at + len(new) :]
    return content


@EITHER
@pytest.mark.parametrize("ending", [".nc", ".parquet", ".csv"])
def test_damaged_traces(ending: str, cases: int, reader: Reader) -> None:
    def check(whole: Traces, how: list[tuple[str, float, bytes]]) -> None:
        content = saved(whole, reader.folder, ending)
        verdict = reader.judge("traces", damaged(content, how), ending)
        if ending == ".nc":  # everything in it has a checksum
            assert verdict.get("read", repr(whole)) == repr(whole)

    fuzz(cases, check, whole=traces(one_kind=True), how=damages)


# Values: files that are whole, but say something else

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.sampled_from([2**31, 2**63, -(2**63), 10**30, 1e308])
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "0", "agent_0", "NaN", "a\u0000b", "é", "../../etc/passwd", "__import__('os')", "Mechanism"])
)
jsons = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
changes = st.lists(st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=4), jsons), min_size=1, max_size=2)


def changed(value: Any, path: list[int], new: Any) -> Any:
    """The JSON value with the part that the path leads to replaced, or taken away where it leads to nothing."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    step, rest = path[0] % len(value), path[1:]
    if isinstance(value, list):
        return [changed(part, rest, new) if k == step else part for k, part in enumerate(value)]
    key = list(value)[step]
    return {name: changed(part, rest, new) if name == key else part for name, part in value.items()}


@EITHER
def test_netcdf_that_says_something_else(cases: int, reader: Reader) -> None:
    def check(whole: Traces, how: list[tuple[list[int], Any]]) -> None:
        path = reader.folder / "other.nc"
        whole.save(path)
        with h5py.File(path, "r+") as file:
            for way, new in how:
                names = list(file.attrs)
                name = names[way[0] % len(names)]
                text = bytes(file.attrs[name]) if name != "format_version" else b"1"
                value = changed(json.loads(text), way[1:], new) if text[:1] in b"[{1" else new
                file.attrs[name] = np.bytes_(json.dumps(value))
        reader.judge("traces", path.read_bytes(), ".nc")

    fuzz(cases, check, whole=traces(), how=changes)


@EITHER
def test_parquet_that_says_something_else(cases: int, reader: Reader) -> None:
    def check(whole: Traces, how: list[tuple[list[int], Any]]) -> None:
        path = reader.folder / "other.parquet"
        whole.save(path)
        table = pyarrow.parquet.read_table(path)
        kept = json.loads(table.schema.metadata[b"diml_traces"])
        for way, new in how:
            kept = changed(kept, way, new)
        pyarrow.parquet.write_table(table.replace_schema_metadata({b"diml_traces": json.dumps(kept)}), path)
        reader.judge("traces", path.read_bytes(), ".parquet")

    fuzz(cases, check, whole=traces(one_kind=True), how=changes)


cells = st.sampled_from(
    ["", "0", "1", "-1", "1e5", "a", "b", '"', "nan", "1.5", "true", " ", "9" * 30, "0\n", "é", ","]
)
columns = st.sampled_from(["episode", "round", "agent", "action", "Episode", "payoff", "", "round"])


@EITHER
def test_tables_that_are_no_play(cases: int, reader: Reader) -> None:
    def check(header: list[str], rows: list[list[str]]) -> None:
        text = "\n".join(",".join(row) for row in [header, *rows])
        reader.judge("traces", text.encode(), ".csv")

    right = st.permutations(["episode", "round", "agent", "action"])
    header = right | st.lists(columns, max_size=6)
    rows = st.lists(st.lists(cells, min_size=4, max_size=4) | st.lists(cells, max_size=6), max_size=8)
    fuzz(cases, check, header=header, rows=rows)


values = st.one_of(
    st.integers(-2, 3),
    st.sampled_from([0.5, math.nan, math.inf, 2**53 + 2.0, 10**20, None, pd.NA, pd.NaT, "a", "1", "", b"x", True]),
    st.sampled_from([pd.Timestamp("2020-01-01"), (1, 2), [1], {"a": 1}, np.int8(1), np.float32(0.1), 1j, object()]),
)


@EITHER
def test_frames_of_anything(cases: int) -> None:
    """In this process: no file is read."""

    def check(rows: list[list[Any]], names: list[Any], dtype: Any) -> None:
        frame = pd.DataFrame(rows, columns=["episode", "round", "agent", "action"], dtype=object)
        try:
            frame = frame.astype(dtype) if dtype else frame.infer_objects()
        except (ValueError, TypeError, OverflowError):
            return
        frame.columns = [given or name for given, name in zip(names, frame.columns, strict=True)]
        try:
            found = Traces.from_frame(frame)
        except ValueError as error:
            message = str(error)
            if not message:
                pytest.fail("an error without a word")
        else:
            assert found.observed.sum() <= len(rows)
            assert found.num_agents == frame["agent"].nunique()

    fuzz(
        cases,
        check,
        rows=st.lists(st.tuples(st.integers(0, 1) | values, st.integers(0, 1) | values, values, values), max_size=6),
        names=st.just([None] * 4) | st.lists(st.sampled_from([None, "round", 3, "x"]), min_size=4, max_size=4),
        dtype=st.sampled_from([None, None, "string", "category", "Int64", "float32", "datetime64[ns]"]),
    )


# Estimates


def estimates() -> list[Estimate]:
    """One of each kind of content: tables, networks, several of them, a covariance, parameters of learners."""
    play = Traces(np.random.default_rng(0).integers(3, size=(6, 8, 2)))
    known, family = LogitDynamics(), AttractionDynamics(0.2, forgone_weight=0.5, precision=[1.0, 2.0])
    table = TabularMLE(known).fit(play)
    table.standard_errors(play.actions[0])
    networks = EnsembleMechanism([NeuralMechanism(2, 3, embedding_dim=2, hidden=(3,), seed=s) for s in (0, 1)])
    several = DIML(NeuralMechanism(2, 3, embedding_dim=2, hidden=(3,)), known, members=2, max_epochs=1).fit(play)
    assert isinstance(several.mechanism, type(networks))
    form = Estimate(CongestionMechanism(2, 3), family, pd.DataFrame({"epoch": [1]}), play.agents, play.action_labels)
    plain = Estimate(TabularMechanism([3, 3]), known, pd.DataFrame(), play.agents, play.action_labels, {"seed": 1})
    return [table, several, form, plain]


@pytest.fixture(scope="module")
def contents(reader: Reader) -> list[bytes]:
    return [saved(estimate, reader.folder, ".safetensors") for estimate in estimates()]


@EITHER
def test_damaged_estimates(cases: int, reader: Reader, contents: list[bytes]) -> None:
    def check(which: int, how: list[tuple[str, float, bytes]]) -> None:
        reader.judge("estimate", damaged(contents[which], how), ".safetensors")

    fuzz(cases, check, which=st.integers(0, len(contents) - 1), how=damages)


@EITHER
def test_estimates_that_say_something_else(cases: int, reader: Reader, contents: list[bytes]) -> None:
    def check(which: int, how: list[tuple[list[int], Any]]) -> None:
        size = struct.unpack("<Q", contents[which][:8])[0]
        outer = json.loads(contents[which][8 : 8 + size])
        inner = json.loads(outer["__metadata__"]["diml"])
        for way, new in how:
            inner = changed(inner, way, new)
        outer["__metadata__"]["diml"] = json.dumps(inner)
        head = json.dumps(outer).encode()
        content = struct.pack("<Q", len(head)) + head + contents[which][8 + size :]
        reader.judge("estimate", content, ".safetensors")

    fuzz(cases, check, which=st.integers(0, len(contents) - 1), how=changes)


# Suites and submitted answers

SUITE = b"""about = "all there is"
tasks = ["congestion-small-v0", "E7-*"]
estimators = ["auto", { name = "smooth", use = "tabular", settings = { ridge = 1.0 } }]
seeds = [0, 1]
quick = ["congestion-small-v0"]
limits = { seconds = 300, memory_mb = 4096 }
"""
lines = st.sampled_from(
    [
        *SUITE.decode().splitlines(),
        'tasks = "E1"',
        "tasks = [[1]]",
        "tasks = []",
        'tasks = ["*"]',
        'estimators = ["os.system", "mine.py:Mine", "__import__"]',
        'estimators = [{ use = "tabular", settings = { ridge = nan, task = 1 } }]',
        'estimators = [{ name = "../../etc", use = "auto" }]',
        "estimators = [{ settings = 1979-05-27 }]",
        'estimators = [{ use = ["auto"] }]',
        "seeds = [-1, 1.5, true]",
        f"seeds = [{10**30}]",
        "limits = { seconds = -inf }",
        'limits = { minutes = "many" }',
        "[tasks.deep.er]",
        "a = " + "[" * 500,
        "= 1",
    ]
)


@EITHER
def test_damaged_suites(cases: int, reader: Reader) -> None:
    def check(how: list[tuple[str, float, bytes]]) -> None:
        reader.judge("suite", damaged(SUITE, how), ".toml")

    fuzz(cases, check, how=damages)


@EITHER
def test_suites_that_say_something_else(cases: int, reader: Reader) -> None:
    def check(chosen: list[str]) -> None:
        reader.judge("suite", "\n".join(chosen).encode(), ".toml")

    fuzz(cases, check, chosen=st.lists(lines, max_size=6))


CHOICES = "episode,round,agent,action,probability\n" + "".join(
    f"{episode},{round_},{agent},{action},0.5\n"
    for episode in (0, 1)
    for round_ in (1, 2)
    for agent, actions in (("agent_0", "ab"), ("agent_1", "12"))
    for action in actions
)
DIFFERENCES = "agent,others,action,payoff_difference\n" + "".join(
    f"{agent},{others},{action},{value}\n"
    for agent, situations, actions in (
        ("agent_0", ("agent_1=1", "agent_1=2"), "ab"),
        ("agent_1", ("agent_0=a", "agent_0=b"), "12"),
    )
    for others in situations
    for action, value in zip(actions, (-1, 1), strict=True)
)


@EITHER
@pytest.mark.parametrize("whole", [CHOICES, DIFFERENCES], ids=["choices", "differences"])
def test_damaged_answers(whole: str, cases: int, reader: Reader) -> None:
    def check(how: list[tuple[str, float, bytes]]) -> None:
        reader.judge("answer", damaged(whole.encode(), how), ".csv")

    fuzz(cases, check, how=damages)


@EITHER
def test_answers_that_say_something_else(cases: int, reader: Reader) -> None:
    def check(whole: str, how: list[tuple[int, int, str]]) -> None:
        rows = [line.split(",") for line in whole.splitlines()]
        for row, column, cell in how:
            rows[row % len(rows)][column % len(rows[0])] = cell
        reader.judge("answer", "\n".join(map(",".join, rows)).encode(), ".csv")

    changed_cells = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), cells), min_size=1, max_size=3)
    fuzz(cases, check, whole=st.sampled_from([CHOICES, DIFFERENCES]), how=changed_cells)


def test_whole_files_are_read(reader: Reader, contents: list[bytes]) -> None:
    """Or all the tests above would prove nothing."""
    play = Traces(np.random.default_rng(0).integers(3, size=(2, 3, 2)))
    for ending in (".nc", ".parquet", ".csv"):
        assert reader.judge("traces", saved(play, reader.folder, ending), ending) == {"read": repr(play)}
    for content in contents:
        assert "read" in reader.judge("estimate", content, ".safetensors")
    assert "read" in reader.judge("suite", SUITE, ".toml")
    for name, answer in (("GivenChoices", CHOICES), ("GivenDifferences", DIFFERENCES)):
        assert reader.judge("answer", answer.encode(), ".csv") == {"read": repr(name)}


@pytest.mark.parametrize("reads", ["runs a command", "unpickles"])
def test_code_that_runs_would_be_noticed(reads: str, reader: Reader) -> None:
    with pytest.raises(AssertionError, match=r"it made .* happen"):
        reader.judge(reads, b"", ".nc")
