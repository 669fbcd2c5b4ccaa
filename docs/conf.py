"""Settings of the documentation site: guides in Markdown, a reference from the docstrings."""

import re
from importlib.metadata import version as installed
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

project = "diml"
author = "the diml contributors"
copyright = f"2026, {author}"  # sphinx asks for this name
version = release = installed("diml")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 2

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # or attributes that a dataclass declares would be described twice

default_role = "code"  # docstrings mark code with single backticks
html_theme = "furo"
html_title = "diml"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["wrap.css"]
html_math_renderer = "mathml"

CODE = re.compile(r"(`[^`]*`)")


def setup(app: Any) -> None:
    """Formulas become MathML, which browsers draw by themselves: no script or font from a network.

    Docstrings are plain text: shapes such as [*B, N] are no emphasis, indented formulas keep their lines.
    """
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_formula, None), block_renderers=(_formula, None))
    app.connect("autodoc-process-docstring", _plain_text, priority=400)  # before napoleon


def _inline_formula(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _formula(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def _plain_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    done: list[str] = []
    formula: int | None = None  # its indentation, while inside one
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if formula is not None and line.strip() and depth < formula:
            formula = None
        if formula is None and _starts_formula(done, line, depth):
            done += [" " * (len(done[-2]) - len(done[-2].lstrip())) + "::", ""]
            formula = depth
        done.append(line if formula is not None else _escaped(line))
    lines[:] = done


def _starts_formula(done: list[str], line: str, depth: int) -> bool:
    """An indented line after an empty one; sections such as Args follow their heading at once."""
    before = next((other for other in reversed(done) if other.strip()), "")
    return bool(line.strip() and done and not done[-1].strip() and depth > len(before) - len(before.lstrip()))


def _escaped(line: str) -> str:
    parts = CODE.split(line)
    return "".join(part if part.startswith("`") else re.sub(r"([*|])", r"\\\1", part) for part in parts)
