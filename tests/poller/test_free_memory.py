"""Freed memory among live blocks goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

HOLES = """
import ctypes, sys
from services.poller.free_memory import release_free_memory
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = []
for number in range(2000):
    blocks.append(libc.malloc(32 * 1024))
    ctypes.memset(blocks[-1], 1, 32 * 1024)
    libc.malloc(64)  # stays
for block in blocks:
    libc.free(block)
before = resident()
release_free_memory()
print(before - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_what_was_freed_among_live_blocks_is_given_back() -> None:
    """64 MB were freed between blocks that are in use: most of it is no longer resident."""
    given_back = subprocess.run([sys.executable, "-c", HOLES], check=True, capture_output=True, text=True).stdout
    assert int(given_back) > 40_000_000
