"""Imports go one way: world, then behaviour; world, then inference, room upon room; never up, never in a circle."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest
from import_graph import PACKAGES, circle, files, going_up, graph, imported_by, room
from places import ROOT

# The rooms, each below those that may import it. A file outside all of them fails.
ROOMS = (
    "diml_envs/lazy.py",  # names imported when first asked for
    "diml_envs/mechanisms",  # payoffs
    "diml_envs/traces",  # observed play and its files
    "diml_envs/games",  # payoffs played for, as environments
    "diml_envs/__init__.py",
    "agents/parts",  # what learners are built from
    "agents/learners",
    "agents/playing",  # the rollout
    "agents/__init__.py",
    "diml_inverse/files.py",
    "diml_inverse/versions.py",
    "diml_inverse/plugins.py",
    "diml_inverse/inspection",  # a look at play before a fit
    "diml_inverse/drawing",  # colours
    "diml_inverse/dynamics",  # surrogate learners
    "diml_inverse/likelihood",  # of play under a mechanism and learners
    "diml_inverse/uncertainty",  # what a fit knows of its own precision
    "diml_inverse/recovered",  # the record of what was found; what an estimator is
    "diml_inverse/identification",  # what play pins down
    "diml_inverse/bounds",  # payoffs under which nobody regrets its play
    "diml_inverse/inference",  # intervals, summaries, tests, resampling
    "diml_inverse/prediction",  # play under changes
    "diml_inverse/estimate",  # the record, with intervals and predictions
    "diml_inverse/metrics",
    "diml_inverse/structure",  # kinds of mechanisms, and the evidence for them
    "diml_inverse/estimators",  # of mechanisms; DIML opens to all of them
    "diml_inverse/baselines",
    "diml_inverse/diagnosis",  # whether a model describes the agents
    "diml_inverse/report",  # a folder for people
    "diml_inverse/__init__.py",
    "diml_inverse/benchmark/tasks",
    "diml_inverse/benchmark/scoring",
    "diml_inverse/benchmark/running",
    "diml_inverse/benchmark/reports",
    "diml_inverse/benchmark/page",
    "diml_inverse/benchmark/__init__.py",
    "diml_inverse/cli",
)

SIMULATES_AND_INFERS = ("diml_inverse/benchmark", "diml_inverse/cli")  # benchmarks and the command line need all


def offences(folder, forbidden, exempt=()):
    for path in sorted((ROOT / folder).rglob("*.py")):
        if str(path.relative_to(ROOT)).startswith(exempt):
            continue
        for name in imported_by(path):
            if any(f"{name}.".startswith(f"{root}.") for root in forbidden):
                yield f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(
    ("folder", "forbidden", "exempt"),
    [
        ("diml_envs", ["agents", "diml_inverse"], ()),
        ("diml_envs/mechanisms", ["pettingzoo", "gymnasium"], ()),
        ("agents", ["diml_inverse"], ()),
        (
            "diml_inverse",
            ["agents", "pettingzoo", "gymnasium", "diml_envs.games", "diml_envs.RepeatedGameEnv"],
            SIMULATES_AND_INFERS,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_package_imports_what_is_not_its_business(folder, forbidden, exempt):
    assert list((ROOT / folder).rglob("*.py")), f"{folder} is empty"
    assert list(offences(folder, forbidden, exempt)) == []


def test_every_file_is_in_a_room():
    assert [path for path in files().values() if not room(path, ROOMS)] == []


def test_no_import_goes_up():
    assert going_up(graph(), ROOMS) == []


def test_no_imports_go_round_in_a_circle():
    assert " -> ".join(circle(graph())) == ""


def test_imports_in_functions_say_why():
    """Of the repository's own files: downwards, as all imports, and for speed alone."""
    silent = []
    for place in files().values():
        lines = (ROOT / place).read_text().splitlines()
        functions = [node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.FunctionDef)]
        inside = [node for function in functions for node in ast.walk(function)]
        for node in (node for node in inside if isinstance(node, ast.Import | ast.ImportFrom)):
            written = lines[node.lineno - 1 : node.end_lineno]
            if any(package in written[0] for package in PACKAGES) and not any("#" in line for line in written):
                silent.append(f"{place}:{node.lineno}")
    assert silent == []


def test_rooms_are_small():
    sizes = Counter(str(Path(place).parent) for place in files().values())
    assert {folder: size for folder, size in sizes.items() if size > 20} == {}
    assert sizes["diml_inverse"] <= 4


def test_an_import_of_what_is_not_its_business_would_be_found():
    assert "agents/playing/rollout.py imports diml_envs.games.env.RepeatedGameEnv" in offences(
        "agents", ["diml_envs.games.env"]
    )


def test_a_circle_would_be_found_with_its_path():
    assert circle({"a": ["b", "d"], "b": ["c"], "c": [], "d": ["e"], "e": ["f"], "f": ["d"]}) == ["d", "e", "f", "d"]
    assert circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_an_arrow_that_goes_up_would_be_found():
    made_up = {"low/a.py": ["low/b.py", "high/c.py"], "high/c.py": ["low/b.py", "high/own/d.py"], "high/own/d.py": []}
    found = going_up(made_up, ("low", "high", "high/own"))
    assert found == [
        "low/a.py imports high/c.py: low is below high",
        "high/c.py imports high/own/d.py: high is below high/own",
    ]


def test_imports_hidden_in_functions_types_and_strings_are_seen(tmp_path, monkeypatch):
    (tmp_path / "agents").mkdir()
    file = tmp_path / "agents" / "a.py"
    file.write_text(
        "if TYPE_CHECKING:\n    from agents.b import B\n"
        "def f():\n    from . import c\n    import_module('diml_envs.games')\n"
        "get = on_first_use(__name__, {'d.e': ('E',)})\n"
    )
    monkeypatch.setattr("import_graph.ROOT", tmp_path)
    assert {"agents.b.B", "agents.c", "diml_envs.games", "agents.d.e"} <= set(imported_by(file))
