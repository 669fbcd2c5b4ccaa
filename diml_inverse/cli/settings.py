"""`NAME=VALUE` settings, and names that may be misspelt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import click

from diml_inverse.plugins import nearest

PLAIN = {int, float, str, bool, type(None)}


def check_name(given: str, known: Iterable[str], what: str) -> None:
    """Raise a click error that names the nearest known name, unless `given` is one."""
    names = list(known)
    if given in names:
        return
    raise click.UsageError(f"no {what} {given!r}; {nearest(given, names)}")


def parse_settings(pairs: Sequence[str], accepted: Mapping[str, Any], option: str) -> dict[str, Any]:
    """`NAME=VALUE` pairs as keyword arguments; values are numbers or other JSON, or else text.

    accepted: the type hint of each name there is. Raises a click error for anything else, the option named.
    """
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{option} takes NAME=VALUE; got {pair!r}")
        check_name(name, accepted, f"setting for {option} called")
        settings[name] = _value(text, accepted[name], f"{option} {name}")
    return settings


def _value(text: str, hint: Any, where: str) -> Any:
    value = _parsed(text)
    kinds = get_args(hint) or (hint,)
    # An int is a float to a type checker, and True an int to isinstance.
    fits = type(value) in kinds or (type(value) is int and float in kinds)
    if PLAIN.issuperset(kinds) and not fits:
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise click.UsageError(f"{where} must be {wanted}; got {text!r}")
    return value


def _parsed(text: str) -> Any:
    for parse in (json.loads, float):  # float reads .5 too, which JSON does not
        try:
            return parse(text)
        except ValueError:
            continue
    return text
