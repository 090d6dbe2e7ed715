"""``leadmail status --watch`` on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.cli.fixtures import ANNA, Deployment

ROOT = Path(__file__).parents[3]
DEADLINE = 90.0


def test_watching_continues_until_it_is_stopped(deployment: Deployment) -> None:
    """The screen is drawn, redrawn after a change, and Ctrl-C ends it without a traceback."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    environment = {**os.environ, **deployment.environment, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "status", "--watch"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = read_until(ours, ANNA)
        assert "poller 0" in shown
        deployment.ok("account", "pause", ANNA)
        read_until(ours, "paused")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in read_until(ours, None)
        process.wait(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, words: str | None) -> str:
    """Return the output up to a text (the rest of it follows in the same drawing) or to the end."""
    text, ending = "", time.monotonic() + DEADLINE
    while time.monotonic() < ending:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                text += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side was closed
                return text
        if words is not None and words in text:
            return text
    raise AssertionError(f"{words!r} was not written in {DEADLINE} s: {text[-2000:]!r}")
