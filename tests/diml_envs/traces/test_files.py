"""Files: what is saved comes back, what is damaged is named, what was there before survives a failed write."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import strategies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ROOT

from diml_envs.traces import MISSING, Traces
from diml_envs.traces.atomic import atomic_write
from diml_envs.traces.labels import in_order

ENDINGS = (".nc", ".parquet", ".csv")
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def given_labels(traces: Traces) -> dict[str, Any]:
    return dict(zip(traces.agents, traces.action_labels, strict=True))


def example() -> Traces:
    actions = np.random.default_rng(0).integers(0, [2, 3], (30, 40, 2))
    actions[0, 3, 1] = MISSING
    labels = [["control", "trust"], ["cheat", "honest", "leave"]]
    return Traces(
        actions, np.arange(11, 41), ["examiner", "student"], labels, [f"pair{i}" for i in range(30)], {"seed": 1}
    )


@many
@given(traces=strategies.traces() | strategies.traces(people=True))
@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_everything_comes_back(traces: Traces, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"play{ending}"
    traces.save(path)
    loaded = Traces.load(path)
    assert loaded == traces
    assert [type(x) for own in loaded.action_labels for x in own] == [
        type(x) for own in traces.action_labels for x in own
    ]


@many
@given(traces=strategies.traces(one_kind=True) | strategies.traces(one_kind=True, people=True))
def test_csv_gives_the_play_back(traces: Traces, tmp_path: Path) -> None:
    agents = [str(name) for name in in_order(traces.agents)]
    given = [agents[traces.agents.index(name)] for name in traces.given]
    traces = traces.replace(agents=agents, episodes=in_order(traces.episodes), metadata=None, given=given)
    traces.save(tmp_path / "play.csv")
    assert Traces.load(tmp_path / "play.csv", action_labels=given_labels(traces), given=traces.given) == traces


def test_truth_values_survive_every_format(tmp_path: Path) -> None:
    traces = Traces([[[0, 1], [MISSING, 1], [1, 0]]], action_labels=[[False, True]] * 2)
    for ending in ENDINGS:
        traces.save(tmp_path / f"play{ending}")
        assert Traces.load(tmp_path / f"play{ending}") == traces


def test_csv_reads_as_a_person_would(tmp_path: Path) -> None:
    path = tmp_path / "play.csv"
    path.write_text('pair,t,who,did,note\n07,1,01,NA,\n07,1,2,None,"two\nlines"\n07,2,01,,x\n07,2,2,nan,\n')
    traces = Traces.load(path, episode="pair", round="t", agent="who", action="did", action_labels={"01": ["NA"]})
    assert traces.agents == ("01", "2")
    assert traces.episodes == (7,)
    assert traces.action_labels == (("NA",), ("None", "nan"))
    np.testing.assert_array_equal(traces.actions, [[[0, 0], [MISSING, 1]]])


def test_numbers_in_csv_stay_whole_beside_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "play.csv"
    path.write_text("episode,round,agent,action\n0,0,a,10\n0,1,a,\n0,2,a,2\n")
    assert repr(Traces.load(path).action_labels) == "((2, 10),)"


def test_identifiers_too_long_for_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "play.csv"
    path.write_text("episode,round,agent,action\n12345678901234567890,0,a,1.5\n12345678901234567891,0,a,2\n")
    traces = Traces.load(path)
    assert traces.episodes == ("12345678901234567890", "12345678901234567891")
    assert traces.action_labels == ((1.5, 2.0),)


def test_parquet_of_other_people(tmp_path: Path) -> None:
    frame = example().to_frame().rename(columns={"episode": "pair"}).assign(payoff=1.0)
    frame.astype({"pair": str, "action": str}).to_parquet(tmp_path / "theirs.parquet")
    with pytest.raises(ValueError, match=r"theirs.parquet: no column 'episode'"):
        Traces.load(tmp_path / "theirs.parquet")
    assert Traces.load(tmp_path / "theirs.parquet", episode="pair").num_episodes == 30


def test_netcdf_is_readable_without_us(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    traces = example()
    traces.save(tmp_path / "play.nc")
    with xarray.open_dataset(tmp_path / "play.nc", engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"episode": 30, "round": 40, "agent": 2}
        assert np.isnan(dataset.actions.values).sum() == (~traces.observed).sum()
        assert json.loads(dataset.attrs["agents"]) == ["examiner", "student"]


def test_netcdf_keeps_many_labels_and_stays_small(tmp_path: Path) -> None:
    actions = np.random.default_rng(0).integers(0, 3, (20_000, 5, 2))
    traces = Traces(actions, episodes=[f"subject_{i}" for i in range(20_000)], metadata={"text": "é" * 100_000})
    traces.save(tmp_path / "play.nc")
    assert Traces.load(tmp_path / "play.nc") == traces
    assert (tmp_path / "play.nc").stat().st_size < 1_500_000


@pytest.mark.parametrize(("count", "dtype"), [(128, "int8"), (129, "int16"), (32_769, "int32")])
def test_netcdf_uses_the_smallest_integers(tmp_path: Path, count: int, dtype: str) -> None:
    traces = Traces([[[count - 1], [MISSING]]], action_labels=[range(count)])
    traces.save(tmp_path / "play.nc")
    with h5py.File(tmp_path / "play.nc") as file:
        assert file["actions"].dtype == dtype
    assert Traces.load(tmp_path / "play.nc") == traces


def test_unknown_endings_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown ending '.npz'; traces are kept in .nc, .parquet, .csv"):
        example().save(tmp_path / "play.npz")
    with pytest.raises(ValueError, match="unknown ending"):
        Traces.load(tmp_path / "play")
    for ending in ENDINGS:
        with pytest.raises(FileNotFoundError):
            Traces.load(tmp_path / f"none{ending}")
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(IsADirectoryError):
        Traces.load(tmp_path / "folder.nc")
    with pytest.raises(FileNotFoundError, match="make it first"):
        example().save(tmp_path / "no" / "play.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.nc"]


def test_netcdf_has_no_columns_to_name(tmp_path: Path) -> None:
    example().save(tmp_path / "play.nc")
    assert Traces.load(tmp_path / "play.nc", episode="episode", action_labels=None) == example()
    with pytest.raises(ValueError, match="no columns to name; got episode"):
        Traces.load(tmp_path / "play.nc", episode="pair")


@pytest.mark.parametrize("ending", ENDINGS)
@many
@given(garbage=st.binary(max_size=300))
def test_garbage_is_an_error_that_names_the_file(garbage: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"garbage{ending}"
    path.write_bytes(garbage)
    with pytest.raises(ValueError, match="garbage"):
        Traces.load(path)


@pytest.mark.parametrize("ending", [".nc", ".parquet"])
def test_a_file_cut_short_is_an_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"play{ending}"
    example().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(len(whole) // 97, 1)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="play"):
            Traces.load(path)


def test_a_csv_cut_inside_a_row_is_an_error_or_play_so_far(tmp_path: Path) -> None:
    path = tmp_path / "play.csv"
    traces = example()
    traces.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        with suppress(ValueError):  # all that a CSV can tell: rows are whole, every round has all its agents
            assert Traces.load(path).num_episodes <= traces.num_episodes


def test_a_flipped_byte_in_netcdf_is_found(tmp_path: Path) -> None:
    """One byte changed in the older HDF5 layout sent the library into an endless loop."""
    path = tmp_path / "play.nc"
    traces = example()
    traces.save(path)
    whole, chance = path.read_bytes(), random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with suppress(ValueError):
            assert Traces.load(path) == traces  # the byte fell into a gap that holds nothing


@pytest.mark.parametrize("content", [b"", b"episode,round,agent,action\n", b"episode,round,agent,action\n0,0,a\n"])
def test_csv_without_play(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "play.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"play\.csv: (the file is empty|the frame has no rows|row 2 .* has 3 values)"):
        Traces.load(tmp_path / "play.csv")


def test_wrong_columns_in_csv(tmp_path: Path) -> None:
    (tmp_path / "play.csv").write_text("episodes;round;agent;action\n0;0;a;1\n")
    with pytest.raises(ValueError, match=r"play\.csv: no column 'episode'; did you mean 'episodes'\? There are "):
        Traces.load(tmp_path / "play.csv")
    (tmp_path / "play.csv").write_text("episode,round,agent,action,action\n0,0,a,1,1\n")
    with pytest.raises(ValueError, match="2 columns called 'action'"):
        Traces.load(tmp_path / "play.csv")
    with pytest.raises(TypeError, match="pair"):
        Traces.load(tmp_path / "play.csv", pair="x")


def tampered(path: Path, **changes: Any) -> Path:
    """A file as another program would write it: attributes and variables replaced (None: left out)."""
    content: dict[str, Any] = {
        "format": "diml traces",
        "format_version": 1,
        "agents": '["a", "b"]',
        "action_labels": '[["x", "y"], ["x", "y"]]',
        "episodes": "[0]",
        "metadata": "{}",
        "actions": np.zeros((1, 3, 2), np.int8),
        "lengths": np.array([3]),
        **changes,
    }
    with h5netcdf.File(path, "w") as file:
        for name, value in content.items():
            if isinstance(value, np.ndarray):
                sizes = {f"{name}_{i}": size for i, size in enumerate(value.shape)}
                file.dimensions.update(sizes)
                file.create_variable(name, tuple(sizes), data=value)
            elif value is not None:
                file.attrs[name] = value
    return path


def test_netcdf_of_another_program_loads(tmp_path: Path) -> None:
    assert Traces.load(tampered(tmp_path / "play.nc")).agents == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "does not hold traces"),
        ({"format": "other"}, "does not hold traces"),
        ({"format_version": 3}, "from a newer diml"),
        ({"format_version": None}, "damaged"),
        ({"agents": None}, "'agents' is missing"),
        ({"agents": '["a"'}, "'agents' is not JSON"),
        ({"agents": "7"}, "'agents' is of the wrong kind"),
        ({"agents": '["a"]'}, "agents has 1 entries where actions .* need 2"),
        ({"agents": "[1, 2]"}, "named by text"),
        ({"action_labels": '[["x"], ["x"]]', "actions": np.ones((1, 3, 2), np.int8)}, "'a': action 1 is outside 0..0"),
        ({"action_labels": '[["x", "x"], ["x"]]'}, "must be distinct"),
        ({"action_labels": "[1, 2]"}, "must be a list of labels"),
        ({"action_labels": '[["x", null], ["x"]]'}, "got None"),
        ({"action_labels": "[[NaN], [1]]"}, "the number nan cannot be a label"),
        ({"action_labels": "[[], [1]]"}, "'a' has no actions"),
        ({"episodes": "[[0]]"}, "must be text"),
        ({"metadata": "[]"}, "'metadata' is of the wrong kind"),
        ({"metadata": "[" * 100_000}, "'metadata' is not JSON"),
        ({"metadata": '{"a": NaN}'}, "metadata must be"),
        ({"actions": None}, "'actions' is missing"),
        ({"actions": np.zeros((3, 2))}, "has not 3 dimensions"),
        ({"actions": np.full((1, 3, 2), np.nan)}, "integers; got float64 values such as nan"),
        ({"actions": np.full((1, 3, 2), -5)}, "action -5 is outside"),
        ({"lengths": np.array([-3])}, "length -3 is outside 1..3"),
        ({"lengths": np.array([4])}, "length 4 is outside 1..3"),
        ({"lengths": np.array([3, 3])}, "lengths has 2 entries"),
    ],
)
def test_tampered_netcdf(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"play\.nc: .*{message}"):
        Traces.load(tampered(tmp_path / "play.nc", **changes))


def test_a_huge_shape_in_a_small_file_is_refused(tmp_path: Path) -> None:
    path = tampered(tmp_path / "play.nc", actions=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("actions", (10**6, 10**6, 10), dtype="i1", chunks=(10, 10, 10))
    with pytest.raises(ValueError, match=r"play\.nc: .* more than the file can hold"):
        Traces.load(path)


@pytest.mark.parametrize(
    "description",
    [
        "[",
        "7",
        "{}",
        '{"action_labels": [], "metadata": {}}',
        '{"action_labels": {"a": 1}, "episodes": [], "metadata": {}}',
    ],
)
def test_tampered_description_in_parquet(tmp_path: Path, description: str) -> None:
    table = pa.Table.from_pandas(Traces([[[0]]], agents=["a"]).to_frame())
    table = table.replace_schema_metadata({"diml_traces": description})
    pyarrow.parquet.write_table(table, tmp_path / "play.parquet")
    with pytest.raises(ValueError, match=r"play\.parquet: its description .* is damaged"):
        Traces.load(tmp_path / "play.parquet")


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_changes_nothing(tmp_path: Path, problem: type[BaseException]) -> None:
    (tmp_path / "play.csv").write_text("before")

    def fail() -> None:
        with atomic_write(tmp_path / "play.csv") as temporary:
            temporary.write_text("half")
            raise problem

    with pytest.raises(problem):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["play.csv"]
    assert (tmp_path / "play.csv").read_text() == "before"


def test_a_killed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "play.nc"
    example().save(path)
    script = (
        "import os, sys\nfrom diml_envs.traces import files\nfrom diml_envs.traces import Traces\n"
        "def half(traces, path):\n    path.write_bytes(b'half')\n    os._exit(9)\n"
        "files._FORMATS['.nc'] = (half, None)\nTraces([[[0]]]).save(sys.argv[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    killed = subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=False)
    assert killed.returncode == 9
    assert Traces.load(path) == example()


def test_a_write_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    example().save(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len(pd.read_csv(tmp_path / "real.csv")) == 2 * example().lengths.sum()
