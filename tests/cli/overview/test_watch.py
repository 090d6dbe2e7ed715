"""``leadmail status --watch`` on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.local import LocalServers
from tests.cli.fixtures import ANNA, Deployment

ROOT = Path(__file__).parents[3]
DEADLINE = 90.0
CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@contextmanager
def watching(deployment: Deployment) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the command on a terminal of 200 columns; yields the terminal's other side, and the process."""
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
        yield ours, process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_watching_continues_until_it_is_stopped(deployment: Deployment) -> None:
    """The screen is drawn, redrawn after a change, and Ctrl-C ends it without a traceback."""
    with watching(deployment) as (terminal, process):
        shown = read_until(terminal, ANNA)
        assert "poller 0" in shown
        assert CLOCK.search(shown)
        deployment.ok("account", "pause", ANNA)
        read_until(terminal, "paused")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in read_until(terminal, None)
        process.wait(timeout=DEADLINE)


def test_watching_outlives_its_servers(deployment: Deployment, servers: LocalServers) -> None:
    """While a server is down the screen says so and its clock goes on; what changes afterwards is shown."""
    deployment.ok("setup")
    with watching(deployment) as (terminal, process):
        read_until(terminal, ANNA)
        with servers.down("mongo"):
            said = read_until(terminal, "MongoDB does not answer")
            assert len(set(CLOCK.findall(said + read_until(terminal, "Trying again")))) > 1
        with servers.down("rabbitmq"):
            read_until(terminal, "RabbitMQ does not answer")
        deployment.ok("account", "pause", ANNA)
        shown = read_until(terminal, "paused") + read_until(terminal, "consumers")
        assert "Traceback" not in shown
        assert process.poll() is None


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
