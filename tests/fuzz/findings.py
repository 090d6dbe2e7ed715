"""Makes a finding small: the shortest input found that fails in the same way."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

_SECONDS = 60


def failure(check: Callable[[bytes], object], data: bytes) -> str | None:
    """Return how a check fails on an input, as the error and the line that raises it; None if it does not fail."""
    try:
        check(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"
    return None


def smallest(check: Callable[[bytes], object], data: bytes, *, seconds: float = _SECONDS) -> bytes:
    """Return what is left of an input when all is taken off without which it still fails in the same way, within some time."""
    wanted, ends = failure(check, data), time.monotonic() + seconds
    size = len(data) // 2
    while wanted is not None and size:
        at = 0
        while at < len(data) and time.monotonic() < ends:
            shorter = data[:at] + data[at + size :]
            if failure(check, shorter) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    return data
