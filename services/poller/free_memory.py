"""Give memory back that was freed. The C library keeps it: among live blocks it frees only what lies at the end of a heap."""

from __future__ import annotations

import ctypes

SECONDS = 60.0
"""How often it is worth its milliseconds in a process whose work comes in bursts."""


def release_free_memory() -> None:
    """Give whole free pages back to the system. Does nothing where the C library is not glibc.

    A call takes some milliseconds, without the interpreter's lock.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
