"""Plug-ins: mechanisms, learners and estimators of other distributions, or of a file, by name.

Python needs none of this: pass the object. Names are for the command line and for suite files. A distribution offers
some by entry points, which cost nothing until they are asked for:

    [project.entry-points."diml.estimators"]
    my-method = "my_package:MyEstimator"

The object is a factory, a class or a function: what it is called with are the settings that the user gave, and of what
the program knows whatever its signature names (`build`).
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

MECHANISMS, LEARNERS, ESTIMATORS = GROUPS = ("diml.mechanisms", "diml.learners", "diml.estimators")
KINDS = {MECHANISMS: "mechanism", LEARNERS: "learner", ESTIMATORS: "estimator"}
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def names(group: str) -> list[str]:
    """Names that installed distributions offer in a group, sorted. Nothing of theirs is imported."""
    return sorted({entry.name for entry in entry_points(group=group)})


def load(name: str, group: str, built_in: Mapping[str, Any] | None = None) -> Any:
    """The object of this name: of the built-in ones, which cannot be replaced, or else of an installed plug-in.

    Args:
        name: as the user wrote it.
        group: one of `GROUPS`.
        built_in: by name.

    Raises:
        ValueError: no such name, with the nearest there is; offered by two distributions; or it cannot be imported.
    """
    built_in = built_in or {}
    if name in built_in:
        return built_in[name]
    found = [entry for entry in entry_points(group=group) if entry.name == name]
    if not found:
        raise ValueError(f"no {KINDS[group]} {name!r}; {nearest(name, [*built_in, *names(group)])}")
    if len({entry.value for entry in found}) > 1:
        offers = ", ".join(_origin(entry) for entry in found)
        raise ValueError(f"{KINDS[group]} {name!r} is offered more than once ({offers}): uninstall one of them")
    try:
        return found[0].load()
    except Exception as error:  # whatever a stranger's module raises
        raise ValueError(
            f"{KINDS[group]} {name!r} of entry-point group {group!r} ({_origin(found[0])}) cannot be imported: "
            f"{type(error).__name__}: {error}; mend or uninstall it"
        ) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or all names there are."""
    listed = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(listed) or 'none'}"


def _origin(entry: EntryPoint) -> str:
    return f"{entry.value} of {entry.dist.name}" if entry.dist else entry.value


def find(given: str, group: str, built_in: Mapping[str, Any] | None = None) -> Any:
    """What an option of a command line names: `load` of a name, `from_file` of a FILE.py:NAME; raises what they do."""
    return from_file(given)[1] if ".py:" in given else load(given, group, built_in)


def from_file(place: str) -> tuple[str, Any]:
    """Name and object of `FILE.py:NAME`, as given on a command line. The file runs, once in a process.

    Only ever call it with what the user typed, never with what stands in a file of results or settings. Another
    process must be given the text: objects of such a file cannot be pickled there.

    Raises:
        ValueError: not such a text, the file raises, or holds no such name; says which.
        FileNotFoundError: no such file.
    """
    file, colon, name = place.rpartition(":")
    if not (colon and file.endswith(".py") and name.isidentifier()):
        raise ValueError(f"a plug-in is given as FILE.py:NAME, for instance my_method.py:MyEstimator; got {place!r}")
    path = Path(file).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"plug-in {place!r}: no file {file}")
    module = _module(path, place)
    if not hasattr(module, name):
        own = [key for key in vars(module) if not key.startswith("_")]
        raise ValueError(f"plug-in {place!r}: {file} defines no {name!r}; {nearest(name, own)}")
    return name, getattr(module, name)


def _module(path: Path, place: str) -> ModuleType:
    name = f"diml_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise
        raise ValueError(
            f"plug-in {place!r}: running {path.name} ended in {type(error).__name__}: {error}; what is no definition "
            "belongs under `if __name__ == '__main__':`"
        ) from error
    return module


def build(factory: Callable[..., Any], settings: Mapping[str, Any], name: str, group: str, **offered: Any) -> Any:
    """What the factory makes of the user's settings, and of what the program offers whatever its signature names.

    Estimators are offered `dynamics` (what is known of the learners; None where nothing is) and `seed`; mechanisms
    `num_agents`, `num_actions` (a number where all agents have the same, else their numbers), `action_counts`.

    Args:
        factory: class or function.
        settings: of the user; they go before what is offered.
        name: of the plug-in, for messages.
        group: one of `GROUPS`, for messages.
        offered: by argument; one that is None is left to the factory's default.

    Raises:
        ValueError: no factory, a setting it does not take, a missing one, or settings that it refuses.
    """
    what = f"{KINDS[group]} {name!r}"
    if not callable(factory):
        raise ValueError(f"{what} is a {type(factory).__name__}: give its class, or a function that makes one")
    arguments = _arguments(factory)
    if not any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
        for given in settings:
            if given not in arguments:
                raise ValueError(f"{what} takes no setting {given!r}; {nearest(given, arguments)}")
    call = {key: value for key, value in offered.items() if key in arguments and value is not None} | dict(settings)
    if lacking := required(factory) - set(call):
        why = "of which nothing is known here" if lacking & set(offered) else "not among its settings"
        raise ValueError(f"{what} needs {', '.join(sorted(lacking))}, {why}; give them, or its signature a default")
    try:
        return factory(**call)
    except (TypeError, ValueError) as error:
        written = ", ".join(f"{key}={value!r}" for key, value in settings.items()) or "none given"
        raise ValueError(f"{what} refuses its settings ({written}): {error}") from error
    except Exception as error:  # a fault of the plug-in's own: its user wants to know where, not our traceback
        raise ValueError(f"{what} could not be made: {type(error).__name__}: {error}") from error


def build_estimator(factory: Callable[..., Any], settings: Mapping[str, Any], name: str, **offered: Any) -> Any:
    """`build`, for something with `fit(traces)`.

    Raises:
        ValueError: as `build`, or what it makes has no `fit`.
    """
    made = build(factory, settings, name, ESTIMATORS, **offered)
    if not callable(getattr(made, "fit", None)):
        raise ValueError(
            f"estimator {name!r} is a {type(made).__name__} without fit(traces); see `diml_inverse.Estimator`"
        )
    return made


def required(factory: Callable[..., Any]) -> set[str]:
    """Names of the arguments that a factory cannot do without."""
    named = {name: argument for name, argument in _arguments(factory).items() if argument.kind in NAMED}
    return {name for name, argument in named.items() if argument.default is argument.empty}


def _arguments(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(factory).parameters)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{factory!r} has no signature to read ({error}); wrap it in a function") from error
