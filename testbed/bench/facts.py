"""Describes the machine and the versions of a measurement."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from testbed.bench import mbsync
from testbed.local import LocalServers
from testbed.processes.packages import program

_PROJECT = Path(__file__).parents[2]


def facts(servers: LocalServers, where: Path, *, mongodb: str) -> dict[str, str | int]:
    """Return the facts of the machine and the versions; values are for people.

    Args:
        servers: what is measured on.
        where: the folder in which mbsync writes and the servers keep their data.
        mongodb: the server's version.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _said("git", "-C", str(_PROJECT), "describe", "--always", "--dirty"),
        "processor": _first(Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)") or platform.machine(),
        "processors": os.cpu_count() or 0,
        "memory_mb": int(_first(Path("/proc/meminfo"), r"MemTotal:\s*(\d+)") or 0) // 1024,
        "file_system": _said("stat", "--file-system", "--format=%T", str(where)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "hosting": servers.hosting,
        "dovecot": _said(str(program("dovecot") or "dovecot"), "--version").split(" ")[0],
        "rabbitmq": _said("dpkg-query", "--show", "--showformat=${source:Upstream-Version}", "rabbitmq-server"),
        "mongodb": mongodb,
        "aio-pika": version("aio-pika"),
        "mbsync": mbsync.version().removeprefix("isync "),
    }


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _first(path: Path, pattern: str) -> str | None:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else None
