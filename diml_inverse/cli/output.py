"""Where results go: whole or not at all, and never over something else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


def note(text: str) -> None:
    """Tell the person at the terminal; stdout is for results."""
    click.echo(text, err=True)


def check_is_file(path: Path) -> None:
    """Raise a click error unless there is such a file of plays."""
    if not path.is_file():
        raise click.ClickException(f"{path} is a folder, not a file of plays" if path.is_dir() else f"no file {path}")


def check_new_file(path: Path, overwrite: bool) -> None:
    """Raise a click error unless a file can be written there without loss, before any work is done for it."""
    if path.is_dir():
        raise click.ClickException(f"{path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise click.ClickException(f"{path} exists; --overwrite replaces it")
    _check_writable(path)


def check_new_folder(path: Path, overwrite: bool, mark: str) -> None:
    """The same for a folder. One that exists is replaced only if it is empty or holds the file `mark`."""
    if path.exists() and not path.is_dir():
        raise click.ClickException(f"{path} is a file; name a folder")
    if path.is_dir() and any(path.iterdir()):
        if not (path / mark).is_file():
            raise click.ClickException(
                f"{path} exists and holds something else (it has no {mark}); name another folder"
            )
        if not overwrite:
            raise click.ClickException(f"{path} holds a former result; --overwrite replaces it")
    _check_writable(path)


def _check_writable(path: Path) -> None:
    above = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {above}: {error.strerror}") from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill beside `path`, which takes its name once it is full; a former one goes then and not before."""
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        new, former = Path(scratch, "new"), Path(scratch, "former")
        yield new
        try:
            if path.exists():
                path.rename(former)
            new.rename(path)
        except BaseException:
            if former.exists() and not path.exists():
                former.rename(path)
            raise
