"""Ends what a run created when the process that created it ends, even if that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: The label that all containers of a run carry, its value naming the run.
LABEL = "leadmail.run"
_PROJECT = Path(__file__).parents[2]
_END_S = 60


class Reaper:
    """A process that waits until we exit, which it notices by the end of its standard input, a pipe from us."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            cwd=_PROJECT,
            start_new_session=True,  # Ctrl-C in the terminal must not end it before us
        )

    def close(self) -> None:
        """Have it remove what is left, and wait for that."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(_END_S)


def container_reaper(run: str) -> Reaper:
    """Start the process that removes the containers of a run."""
    return Reaper([sys.executable, "-m", "testbed.local.container_reaper", run])


def folder_reaper(folder: Path) -> Reaper:
    """Start the process that deletes a temporary folder (a second time, for what dying servers still write)."""
    return Reaper(["sh", "-c", 'cat >/dev/null; rm -rf "$0" || { sleep 1; rm -rf "$0"; }', str(folder)])
