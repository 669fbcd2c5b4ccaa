"""A look at recorded play before any fit: what was read, and what a person should decide first."""

from diml_inverse.inspection.findings import Finding, Inspection
from diml_inverse.inspection.inspecting import inspect

__all__ = ["Finding", "Inspection", "inspect"]
