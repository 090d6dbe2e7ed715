"""Reads CPU time and memory of process trees from ``/proc`` (see proc(5))."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_SAMPLE_S = 0.25


class Process(NamedTuple):
    """A line of ``/proc/<pid>/stat``."""

    pid: int
    parent: int
    cpu_seconds: float
    """Own and of all descendants that ended and were waited for: over a tree nothing is counted twice or lost."""


def _process(pid: int) -> Process | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None  # it ended meanwhile
    # The name, in parentheses, may hold anything; after it: state, ppid, ..., utime, stime, cutime, cstime.
    fields = stat.rpartition(")")[2].split()
    return Process(pid, int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)


def trees(roots: Mapping[str, Iterable[int]]) -> dict[str, list[Process]]:
    """Return the living processes of each named group: its roots and all their descendants."""
    children: dict[int, list[Process]] = defaultdict(list)
    every: dict[int, Process] = {}
    for entry in os.listdir(_PROC):  # noqa: PTH208 - thousands of times, names only
        if entry.isdecimal() and (process := _process(int(entry))):
            children[process.parent].append(process)
            every[process.pid] = process
    found: dict[str, list[Process]] = {}
    for name, pids in roots.items():
        members = [every[pid] for pid in pids if pid in every]
        for member in members:  # grows while it is walked
            members.extend(children[member.pid])
        found[name] = members
    return found


def cpu_seconds(roots: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Return the CPU seconds (user and system) that each group has used so far."""
    return {name: sum(process.cpu_seconds for process in members) for name, members in trees(roots).items()}


def _status_mb(pid: int, field: str) -> float:
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith(f"{field}:")), "0 0")
    return int(line.split()[1]) / 1024


def peak_mb(roots: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Return the sum of the peak resident sizes (``VmHWM``, MiB) of each group's living processes.

    Pages that processes share are counted in each of them, so the sum is an upper bound.
    """
    return {
        name: sum(_status_mb(process.pid, "VmHWM") for process in members) for name, members in trees(roots).items()
    }


@contextmanager
def watching_memory(roots: Mapping[str, Iterable[int]]) -> Iterator[dict[str, float]]:
    """Sample the memory of some groups while the block runs; the yielded dictionary has the highest sums (MiB)."""
    fixed = {name: list(pids) for name, pids in roots.items()}
    highest: dict[str, float] = dict.fromkeys(fixed, 0.0)
    ended = threading.Event()

    def look() -> None:
        for name, size in peak_mb(fixed).items():
            highest[name] = max(highest[name], size)

    def watch() -> None:
        while not ended.wait(_SAMPLE_S):
            look()

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    try:
        yield highest
    finally:
        ended.set()
        watcher.join()
        look()


def children_of_this(commands: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the ids of this process's own children, by a text that their command line contains.

    Args:
        commands: name of the group, and the text.
    """
    found: dict[str, list[int]] = {name: [] for name in commands}
    for process in trees({"": [os.getpid()]})[""]:
        if process.parent != os.getpid():
            continue
        line = (_PROC / str(process.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        for name, text in commands.items():
            if text in line:
                found[name].append(process.pid)
    return found
