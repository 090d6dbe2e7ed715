"""Sees to it that a run's containers end with the process that made them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: The label that all containers of a run carry, its value naming the run.
LABEL = "leadmail.run"
_PROJECT = Path(__file__).parents[2]
_END_S = 60


class Reaper:
    """The reaping process, seen from the one it watches."""

    def __init__(self, run: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.container_reaper", run],
            stdin=subprocess.PIPE,
            cwd=_PROJECT,
            start_new_session=True,  # Ctrl-C in the terminal must not end it before us
        )

    def close(self) -> None:
        """Let it remove what is left, and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(_END_S)
