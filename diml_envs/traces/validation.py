"""Turning what a user gave into plain integers and plain JSON values, or saying why it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.mechanisms.base import MISSING


def whole_numbers(values: ArrayLike, name: str, dimensions: int) -> NDArray[np.int64]:
    """A copy as int64 [E, T, N] (dimensions=3), [E, N] (2) or [E] (1); floats pass if they are whole.

    Raises:
        ValueError: other shapes, ragged rows, fractions, NaN, or numbers beyond 2**62.
    """
    shape = {3: "[episodes, rounds, agents]", 2: "[episodes, agents]", 1: "[episodes]"}[dimensions]
    try:
        array = np.asarray(values)
    except ValueError as error:
        pad = f"pad short episodes with {MISSING} and give their lengths"
        raise ValueError(f"{name} must be an array {shape}; rows of different sizes: {pad}") from error
    if array.ndim != dimensions:
        raise ValueError(f"{name} must have shape {shape}; got shape {list(array.shape)}")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be integers; got {array.dtype} values")
    whole = (array == np.round(array)) & (np.abs(array) < 2**62) if array.dtype.kind in "uf" else np.True_
    if not whole.all():
        missing = f" (an unobserved action is {MISSING})" if dimensions == 3 else ""
        raise ValueError(f"{name} must be integers; got {array.dtype} values such as {array[~whole][0]}{missing}")
    return array.astype(np.int64)


def plain_json(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy as JSON would give it back: tuples become lists, keys text, numpy numbers plain ones.

    Raises:
        ValueError: a value that JSON does not have, such as NaN or an object.
    """
    try:
        plain = json.loads(json.dumps(dict(metadata), allow_nan=False, default=_plain_number))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata must be a mapping of JSON values: {error}") from error
    return dict(plain)


def _plain_number(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} is a {type(value).__name__}; use text, numbers, lists or mappings")
