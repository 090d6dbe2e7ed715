"""The memory that a process of ours uses."""

from __future__ import annotations

from pathlib import Path

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Return the resident set of a process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has ended")
