"""Ends what a run created when the process that created it ends, even if that was killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

#: The label that all containers of a run carry, its value naming the run.
LABEL = "leadmail.run"
_PROJECT = Path(__file__).parents[2]
_END_S = 60
_DELETE = """
word=$(cat)
rm -rf "$0" 2>/dev/null || { sleep 1; rm -rf "$0"; }
[ -z "$word" ] || exit
away=0 round=0
while [ $away -lt 30 ] && [ $round -lt 600 ]; do
  if [ -e "$0" ]; then away=0; rm -rf "$0" 2>/dev/null; fi
  away=$((away + 1)) round=$((round + 1))
  sleep "$1"
done
"""


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
        """Have it remove what is left, and wait for that. Nothing of the run may be alive."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"closed")
                self._process.stdin.close()
        self._process.wait(_END_S)


def container_reaper(run: str) -> Reaper:
    """Start the process that removes the containers of a run."""
    return Reaper([sys.executable, "-m", "testbed.local.container_reaper", run])


def folder_reaper(folder: Path, *, pause: float = 1.0) -> Reaper:
    """Start the process that deletes a temporary folder.

    If the starter was killed, what its servers started ends by itself, on a loaded machine not soon, and makes the folder again to
    write into it (Cyrus). So it is deleted until it has stayed away for 30 pauses.
    """
    return Reaper(["sh", "-c", _DELETE, str(folder), str(pause)])
