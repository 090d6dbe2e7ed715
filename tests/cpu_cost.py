"""How CPU time grows with the size of the input, compared within one run: load slows both sides alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

FACTOR = 4
"""How much larger the large input is."""
MOST = 8.0
"""Linear work grows by 4, quadratic work by 16."""


def growth(run: Callable[[int], object]) -> float:
    """Return how many times the CPU time of ``run(1)`` its run on an input ``FACTOR`` times as large takes."""
    small = max(_cost(run, 1) for _ in range(2))
    large = _cost(run, FACTOR)
    # A pause of the machine may have hit the large run: only a result that repeats counts.
    return (large if large < MOST * small else min(large, _cost(run, FACTOR))) / small


def cpu_seconds(run: Callable[[], object]) -> float:
    """Return the CPU time of a call, without the garbage collector: what that costs depends on what else the process holds."""
    gc.disable()
    try:
        started = time.process_time()
        run()
        return time.process_time() - started
    finally:
        gc.enable()


def _cost(run: Callable[[int], object], size: int) -> float:
    return cpu_seconds(lambda: run(size))
