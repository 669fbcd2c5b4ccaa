"""The page written: template, style, script and data put into one file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.page.content import about_names, content
from diml_inverse.benchmark.page.pictures import draw
from diml_inverse.benchmark.page.reading import Run, read_run, suite_of
from diml_inverse.benchmark.reports.results import results_table

PAGE, GENERATOR = "index.html", "diml report"
SCRIPTS = ("tables.js", "dialog.js", "page.js")


def write_page(results: Path, output: Path) -> Path:
    """Write `index.html` into the folder `output`, whole or not at all; a former page is replaced.

    Args:
        results: the folder of `diml bench`; the run need not have ended.
        output: made if it is not there.

    Raises:
        FileNotFoundError: no such results, or no cells in them.
        FileExistsError: `output` holds another `index.html`.
        ValueError: a damaged file of results.
    """
    page = output / PAGE
    if page.exists() and f'content="{GENERATOR}"' not in page.read_text(errors="replace")[:2000]:
        raise FileExistsError(f"{page} exists and is no page of diml report; name another folder")
    text = render(read_run(results), results.resolve().name)
    output.mkdir(parents=True, exist_ok=True)
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def render(run: Run, name: str) -> str:
    """The page of a run as text.

    name: of the results, for the title.
    """
    table = _numbered(run)
    script = "\n".join(_file(part) for part in SCRIPTS)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            name=name,
            generator=GENERATOR,
            style=_file("page.css"),
            script=script,
            # Only this script may run, whatever the results hold.
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            data=content(run, table),
            pictures=draw(run, table),
            states=Counter(record.scores[0].metric for record in run.records),
            number=len(run.records),
            versions=list(dict.fromkeys(tuple(record.versions.items()) for record in run.records if record.versions)),
            about=about_names(run),
        )
    )


def _numbered(run: Run) -> pd.DataFrame:
    """`results_table` with the suite and the number of the cell of each row."""
    table = results_table(run.records)
    repeats = [len(record.scores) for record in run.records]
    table["cell"] = pd.Series(range(len(repeats))).repeat(repeats).to_numpy()
    table["suite"] = [suite_of(run.records[number]) for number in table["cell"]]
    return table


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Not in order of the alphabet: metrics, tasks and estimators have an order of their own.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _file(name: str) -> str:
    return (files("diml_inverse.benchmark.page") / "templates" / name).read_text(encoding="utf-8")
