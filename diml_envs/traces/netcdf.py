"""Traces in netCDF-4, the file that keeps everything.

Why netCDF: its dimensions carry names (episode, round, agent), R, Julia, MATLAB and xarray read it, nothing in it
is ever unpickled, and it was as small and as fast as compressed npz when both were measured.

Variables: `actions` [episode, round, agent], counted from 0, the fill value -1 where not observed; `lengths`
[episode]. Attributes: `format`, `format_version`, and as JSON text `agents`, `action_labels`, `episodes`, `metadata`.
Where people are known (format version 2; without them files are of version 1, as before): variables `persons`
[episode, agent] with -1 for a given move, `sessions` and `begins` [episode]; attributes `person_labels`,
`session_labels`, `given`.

A damaged file must be an error, never a wrong answer or a hang. So files are written in HDF5's 1.10 layout, in which
everything has a checksum (flipping one byte of an older layout can send the HDF5 library into an endless loop), and
text is of fixed length, since HDF5 keeps text of variable length where it has no checksum. xarray can set neither,
hence the layer below it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces.fields import Fields

FORMAT = "diml traces"
FORMAT_VERSION = 2
_JSON_ATTRIBUTES = ("agents", "action_labels", "episodes", "metadata")
_JSON_OF_PEOPLE = ("person_labels", "session_labels", "given")
_VARIABLES_OF_PEOPLE = {"persons": ("episode", "agent"), "sessions": ("episode",), "begins": ("episode",)}
_COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
_BEST_COMPRESSION = 1100  # deflate cannot make anything smaller than 1/1032 of what it was


def write_netcdf(play: Any, path: Path) -> None:
    """Write everything that traces hold; play has their attributes."""
    dtype = _smallest_integer(max(map(len, play.action_labels)))
    people = play.persons is not None or play.sessions is not None or bool(play.given)
    with h5netcdf.File(path, "w", libver=("v110", "v110")) as file:
        file.dimensions = dict(zip(("episode", "round", "agent"), play.actions.shape, strict=True))
        actions = play.actions.astype(dtype)
        dimensions = tuple(file.dimensions)
        file.create_variable("actions", dimensions, dtype, data=actions, fillvalue=dtype.type(MISSING), **_COMPRESSED)
        file.create_variable("lengths", dimensions[:1], np.int64, data=play.lengths, **_COMPRESSED)
        file.attrs["format"] = np.bytes_(FORMAT)
        file.attrs["format_version"] = FORMAT_VERSION if people else 1
        for name in (*_JSON_ATTRIBUTES, *(_JSON_OF_PEOPLE if people else ())):
            file.attrs[name] = np.bytes_(json.dumps(getattr(play, name)))
        for name, over in _VARIABLES_OF_PEOPLE.items():
            if people and getattr(play, name) is not None:
                file.create_variable(name, over, np.int64, data=getattr(play, name), **_COMPRESSED)


def read_netcdf(path: Path, **columns: Any) -> Fields:
    """The fields of the traces that `write_netcdf` wrote.

    Raises:
        ValueError: columns are named, which such a file does not have; it is damaged, or holds something else.
        OSError: it is no HDF5 file, or cut short.
    """
    if columns:
        raise ValueError(f"a netCDF file of traces has no columns to name; got {', '.join(columns)}")
    try:
        # A netCDF-4 file is an HDF5 file; h5netcdf's own reader prints errors of its destructor on damaged ones.
        with h5py.File(path, "r") as file:
            people = _version(file) > 1
            described = {name: _json(file, name) for name in (*_JSON_ATTRIBUTES, *(_JSON_OF_PEOPLE if people else ()))}
            sizes = {"actions": 3, "lengths": 1}
            if people:
                sizes |= {name: len(over) for name, over in _VARIABLES_OF_PEOPLE.items() if name in file}
            found: dict[str, Any] = {name: _array(file, name, size) for name, size in sizes.items()}
            return Fields(**found, **described)
    except (KeyError, RuntimeError, TypeError) as error:  # what h5py raises where a checksum does not fit
        raise ValueError(f"the file is damaged: {error}") from error


def _smallest_integer(count: int) -> np.dtype[Any]:
    return next(np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64) if count - 1 <= np.iinfo(t).max)


def _version(file: Any) -> int:
    if _text(file, "format") != FORMAT:
        raise ValueError(f"it does not hold traces: its attribute 'format' is not {FORMAT!r}")
    version = int(np.ravel(file.attrs["format_version"])[0])
    if version > FORMAT_VERSION:
        raise ValueError(f"it has format version {version}, from a newer diml; this one reads up to {FORMAT_VERSION}")
    return version


def _text(file: Any, name: str) -> str | None:
    value = file.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else None


def _json(file: Any, name: str) -> Any:
    """The attribute's value: a mapping for `metadata`, else a list."""
    text = _text(file, name)
    if text is None:
        raise ValueError(f"the attribute {name!r} is missing or no text")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the attribute {name!r} is not JSON: {error}") from error
    if not isinstance(value, dict if name == "metadata" else list):
        raise ValueError(f"the attribute {name!r} is of the wrong kind: {text[:80]}")
    return value


def _array(file: Any, name: str, dimensions: int) -> NDArray[Any]:
    variable = file.get(name)
    if not isinstance(variable, h5py.Dataset) or len(variable.shape or ()) != dimensions:
        raise ValueError(f"the variable {name!r} is missing, or has not {dimensions} dimensions")
    # HDF5 makes up what was never stored: a small file could claim any size and fill all memory.
    if variable.nbytes > _BEST_COMPRESSION * variable.id.get_storage_size():
        raise ValueError(f"the variable {name!r} claims a shape of {variable.shape}, more than the file can hold")
    return np.asarray(variable[...])
