"""What the tools that derive files share: the options of their commands, and the part of a page between two marks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def main(module: str, about: str, files: Mapping[Path, str]) -> int:
    """Check files, or update them, as the command line says. Returns 1 if a checked file is stale.

    Args:
        module: what runs after ``python -m``.
        about: the help.
        files: what each file must contain.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="fail if a file is stale")
    what.add_argument("--write", action="store_true", help="update the stale files")
    if parser.parse_args().write:
        write(files)
        return 0
    found = stale(files)
    for path in found:
        sys.stderr.write(f"{path} is stale: run `python -m {module} --write`\n")
    return 1 if found else 0


def stale(files: Mapping[Path, str]) -> list[Path]:
    """Return the files that contain something else."""
    return [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def write(files: Mapping[Path, str]) -> None:
    """Update the stale files."""
    for path in stale(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")


def between_marks(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with another text between two marks; the rest stays.

    Raises:
        ValueError: the page lacks the marks.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page has lost the marks around what is derived: put {begin} and {end} where it belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"
