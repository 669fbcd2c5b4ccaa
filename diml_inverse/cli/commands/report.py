"""`diml report`."""

from __future__ import annotations

from pathlib import Path

import click

from diml_inverse.cli.output import note


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write."
)
def command(results: Path, output: Path) -> None:
    """Show the RESULTS of `diml bench` as a web page.

    OUTPUT/index.html is one file that needs no network: leaderboards, tables to sort and filter, pictures, and behind
    every number the command, seed, versions and log of its cells. While a run goes on, the page shows the cells that
    are done; a later call replaces it.

    \b
    Example:
      diml bench paper --quick -o results/
      diml report results/ -o report/
    """
    from diml_inverse.benchmark.page import write_page  # late: torch takes seconds to load

    page = write_page(results, output)
    note(f"open {page} in a browser")
