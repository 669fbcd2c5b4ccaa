"""The versions of the packages that computed a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """What computed a result."""
    return {package: _version(package) for package in ("diml", "numpy", "scipy", "torch")}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
