"""Who imports whom in this repository, wherever in a file the import stands; circles and arrows that go up."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from places import ROOT

PACKAGES = ("diml_envs", "agents", "diml_inverse")


def imported_by(path: Path) -> Iterator[str]:
    """Full names of everything a file imports: at its top, in functions, for type checkers, or by name as a string."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join((*package, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            yield from _in_call(node, path)


def _in_call(node: ast.Call, path: Path) -> Iterator[str]:
    """Modules named by strings: `import_module("diml_envs.games")`, and what `on_first_use` imports later."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    values = [value for argument in node.args for value in ast.walk(argument) if isinstance(value, ast.Constant)]
    texts = [value.value for value in values if isinstance(value.value, str)]
    if name in ("import_module", "set_forkserver_preload"):
        yield from texts
    if name == "on_first_use":
        package = ".".join(path.relative_to(ROOT).parent.parts)
        yield from (f"{package}.{text}" for text in texts)


def files() -> dict[str, str]:
    """Path of every file of the three packages, by the name under which it is imported."""
    found = {}
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        place = path.relative_to(ROOT)
        parts = place.parent.parts if place.name == "__init__.py" else place.with_suffix("").parts
        found[".".join(parts)] = str(place)
    return found


def graph() -> dict[str, list[str]]:
    """Files that each file imports, by path; not itself, whose names a package may ask for."""
    path_of = files()
    arrows = {}
    for place in path_of.values():
        modules = {module for name in imported_by(ROOT / place) for module in _modules(name, path_of)}
        arrows[place] = sorted({path_of[module] for module in modules} - {place})
    return arrows


def _modules(name: str, path_of: Mapping[str, str]) -> Iterator[str]:
    """The module that a name is, or lies in; all modules of a package whose name ends in a dot."""
    if name.endswith("."):
        yield from (module for module in path_of if module.startswith(name))
    elif name in path_of:
        yield name
    elif name.rpartition(".")[0] in path_of:
        yield name.rpartition(".")[0]


def circle(arrows: Mapping[str, Sequence[str]]) -> list[str]:
    """A way along the arrows that comes back to where it began, both ends named; empty if there is none."""
    done: set[str] = set()

    def follow(way: list[str]) -> list[str]:
        for following in arrows.get(way[-1], ()):
            if following in way:
                return [*way[way.index(following) :], following]
            if following not in done and (found := follow([*way, following])):
                return found
        done.add(way[-1])
        return []

    return next(filter(None, (follow([start]) for start in arrows if start not in done)), [])


def room(path: str, order: Sequence[str]) -> str:
    """The most particular of the rooms that a file lies in."""
    return max((name for name in order if f"{path}/".startswith(f"{name}/")), key=len, default="")


def going_up(arrows: Mapping[str, Sequence[str]], order: Sequence[str]) -> list[str]:
    """Arrows from a room to one that comes later in the order."""
    height = {name: number for number, name in enumerate(order)}
    pairs = [(one, other) for one, others in arrows.items() for other in others]
    return [
        f"{one} imports {other}: {room(one, order)} is below {room(other, order)}"
        for one, other in pairs
        if height[room(one, order)] < height[room(other, order)]
    ]
