"""Packages whose names are imported when they are first asked for offer just what they did at once."""

import ast
import importlib
import subprocess
import sys

import pytest
from places import ROOT

PACKAGES = ("diml_envs", "diml_inverse")


def typed_names(package):
    """Names of the block for type checkers."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {alias.name for node in block.body for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_are_there_and_known_to_type_checkers(package):
    module = importlib.import_module(package)
    assert typed_names(package) == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_not_there_is_an_attribute_error(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018
    assert not hasattr(module, "_nonsense")


@pytest.mark.parametrize(
    "line",
    [
        "import diml_envs.congestion_v0; import diml_envs; from diml_envs.games import congestion_v0; "
        "assert congestion_v0 is diml_envs.congestion_v0; assert congestion_v0.parallel_env(num_agents=3)",
        "from diml_envs.congestion_v0 import parallel_env; import diml_envs; "
        "assert diml_envs.congestion_v0.parallel_env is parallel_env",
        "import diml_inverse; diml_inverse.identification.identify; diml_inverse.report.save_fit",
        "from diml_envs import *; from diml_inverse import *; DIML, RepeatedGameEnv, congestion_v0.env",
    ],
)
def test_modules_are_found_however_they_are_asked_for(line):
    subprocess.run([sys.executable, "-W", "error", "-c", line], check=True, env={"PYTHONPATH": str(ROOT)})
