"""The CPU time that an input may take: a fixed part, and so much for each byte."""

from __future__ import annotations

import time
from collections.abc import Callable

FIXED, PER_BYTE = 0.4, 60e-6
"""Seconds. Instrumented code on a busy machine stays below a tenth of it; what is quadratic exceeds it at a few thousand bytes."""
_TRIES = 3


class TooSlowError(AssertionError):
    """An input takes more CPU time than one of its size may."""


def within_budget(check: Callable[[bytes], None], data: bytes) -> float:
    """Call a check, and return the CPU seconds that it took.

    Raises:
        TooSlowError: three times in a row it took more than the budget; a pause of the machine would not.
    """
    most = FIXED + PER_BYTE * len(data)
    for _ in range(_TRIES):
        started = time.process_time()
        check(data)
        if (took := time.process_time() - started) <= most:
            return took
    raise TooSlowError(f"{took:.2f} s of CPU time for {len(data)} bytes")
