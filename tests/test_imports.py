"""Imports go one way: world, then behaviour; world, then inference; never up."""

import ast

import pytest
from places import ROOT

SIMULATES_AND_INFERS = ("diml_inverse/benchmark", "diml_inverse/cli")  # benchmarks and the command line need all


def imported_by(path):
    """Full names of everything a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join((*package, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


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
            [
                "agents",
                "pettingzoo",
                "gymnasium",
                "diml_envs.games.env",
                "diml_envs.RepeatedGameEnv",
                "diml_envs.games.seat",
            ],
            SIMULATES_AND_INFERS,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_import_goes_up(folder, forbidden, exempt):
    assert list((ROOT / folder).rglob("*.py")), f"{folder} is empty"
    assert list(offences(folder, forbidden, exempt)) == []


def test_an_import_that_goes_up_would_be_found():
    assert "agents/rollout.py imports diml_envs.games.env.RepeatedGameEnv" in offences(
        "agents", ["diml_envs.games.env"]
    )
