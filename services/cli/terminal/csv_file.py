"""Files in CSV that commands read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

STANDARD_INPUT = Path("-")


@contextmanager
def csv_lines(file: Path) -> Iterator[Iterable[str]]:
    """Yield the lines of a file in UTF-8, or of standard input for ``-``, with their ends as the ``csv`` module wants them."""
    if file == STANDARD_INPUT:
        yield TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        return
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield lines
