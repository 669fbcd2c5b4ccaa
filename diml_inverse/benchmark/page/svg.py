"""Matplotlib figures as SVG that stands in a page: its colours, its fonts, light and dark, and links to cells."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

# Colours that stand for the page's own, which differ between light, dark and print.
INK, GRID = "#010101", "#020202"
NUMBER_OF_COLOURS = 8
SERIES = tuple(f"#0300{i:02x}" for i in range(NUMBER_OF_COLOURS))
STANDS_FOR = {INK: "currentColor", GRID: "var(--grid)"} | {
    colour: f"var(--series-{i})" for i, colour in enumerate(SERIES)
}
CELL = "cell:"  # in a mark's link: the number of its cell

THEME: Any = {  # matplotlib's own type lists every setting there is
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


@contextmanager
def themed() -> Iterator[None]:
    """Figures must be made and written within it."""
    with rc_context(THEME):
        yield


def inline(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an `<svg>` element.

    Args:
        figure: holds no text but the program's own: names of tasks and estimators belong in the page around it.
        name: letters and digits that no other figure of the page has; ids begin with it.
        label: what is read to those who cannot see it.
    """
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = _head(text, label)
    for colour, css in STANDS_FOR.items():
        text = text.replace(colour, css)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    # Not a stop of the Tab key: there are hundreds, and the table of cells has them all.
    text = re.sub(rf'href="{CELL}(\d+)"', r'href="#cells" tabindex="-1" data-cell="\1"', text)
    # Within elements only: their text is the labels of axes.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d{2})\d+", r"\1", tag[0]), text)
    return Markup(re.sub(r"\n\s*", "\n", text))


def _head(text: str, label: str) -> str:
    """The root element without the size on paper and with the label."""
    opening, rest = text.split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', opening)
    assert view_box is not None
    return f'<svg class="plot" role="img" aria-label="{escape(label)}" {view_box[0]}>{rest}'
