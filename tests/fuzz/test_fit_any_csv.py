"""`diml fit` on files as people bring them, clean and dirty: a fit, or one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from diml_inverse.cli import main

Dirt = Callable[[str, np.random.Generator], bytes]


def clean(rng: np.random.Generator) -> str:
    """1 to 3 agents with 2 or 3 actions each, 2 to 6 episodes of 3 to 12 rounds; somewhat sticky play; payoffs."""
    agents, rows = int(rng.integers(1, 4)), []
    counts = rng.integers(2, 4, agents)
    for e in range(int(rng.integers(2, 7))):
        last = rng.integers(0, counts)
        for t in range(int(rng.integers(3, 13))):
            last = np.where(rng.random(agents) < 0.6, last, rng.integers(0, counts))
            rows += [(e, t, f"p{i}", "xyz"[own], round(float(rng.normal()), 2)) for i, own in enumerate(last)]
    return pd.DataFrame(rows, columns=["episode", "round", "agent", "action", "paid"]).to_csv(index=False)


def lines(text: str) -> list[str]:
    return text.splitlines()


def cell(text: str, rng: np.random.Generator, value: str) -> bytes:
    """One cell in ten of some column replaced."""
    rows = [line.split(",") for line in lines(text)]
    column = int(rng.integers(0, 5))
    for row in rows[1:]:
        if rng.random() < 0.1:
            row[column] = value
    return "\n".join(map(",".join, rows)).encode()


def rows_left_out(text: str, rng: np.random.Generator) -> bytes:
    return "\n".join(line for i, line in enumerate(lines(text)) if not i or rng.random() < 0.9).encode()


DIRT: dict[str, Dirt] = {
    "NA": lambda text, rng: cell(text, rng, "NA"),
    "empty": lambda text, rng: cell(text, rng, ""),
    "inf": lambda text, rng: cell(text, rng, "inf"),
    "huge": lambda text, rng: cell(text, rng, "1e400"),
    "long": lambda text, rng: cell(text, rng, "99999999999999999999"),
    "half": lambda text, rng: cell(text, rng, "0.5"),
    "negative": lambda text, rng: cell(text, rng, "-1"),
    "blank": lambda text, rng: cell(text, rng, "x "),
    "unicode": lambda text, rng: cell(text, rng, "\N{SNOWMAN}"),
    "quote": lambda text, rng: cell(text, rng, '"'),
    "too many": lambda text, rng: cell(text, rng, "a,b"),
    "rows left out": rows_left_out,
    "rows twice": lambda text, rng: (text + "\n".join(lines(text)[-3:])).encode(),
    "shuffled": lambda text, rng: "\n".join([lines(text)[0], *rng.permutation(lines(text)[1:])]).encode(),
    "cut off": lambda text, rng: text.encode()[: len(text) // 2],
    "no header": lambda text, rng: text.partition("\n")[2].encode(),
    "semicolons": lambda text, rng: text.replace(",", ";").replace(".", ",").encode(),
    "latin": lambda text, rng: text.replace("x", "\N{LATIN SMALL LETTER E WITH ACUTE}").encode("latin-1"),
    "exchanged": lambda text, rng: text.replace("episode,round", "round,episode").encode(),
    "joined": lambda text, rng: ("paid" + text).replace("paidepisode", "run").encode(),
}


def fitted(folder: Path, data: bytes, options: str) -> tuple[int, str]:
    """Exit code and stderr; anything but a plain end of the program is raised."""
    (folder / "plays.csv").write_bytes(data)
    line = f"fit {folder / 'plays.csv'} -o {folder / 'fit'} --no-errors --time-limit 3 {options}"
    result = CliRunner().invoke(main, line.split())
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_clean_files_are_fitted(tmp_path: Path, seed: int) -> None:
    code, said = fitted(tmp_path, clean(np.random.default_rng(seed)).encode(), ["", "--payoff-column paid"][seed % 2])
    assert code == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "fit" / "payoff_differences.csv").exists()


@pytest.mark.parametrize(
    "name", [*list(DIRT)[:4], *(pytest.param(name, marks=pytest.mark.slow) for name in list(DIRT)[4:])]
)
def test_dirty_files_are_fitted_or_told(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(list(DIRT).index(name))
    code, said = fitted(tmp_path, DIRT[name](clean(rng), rng), ["", "--payoff-column paid"][len(name) % 2])
    assert "Traceback" not in said
    assert code in (0, 1, 2)
    last = said.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("Error: ") == (code != 0), said
    assert (tmp_path / "fit").exists() == (code == 0)
