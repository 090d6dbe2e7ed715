"""``leadmail run``: stages are children that stop in order with the command, whatever stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.processes.ports import free_port
from tests.cli.fixtures import Deployment

ROOT = Path(__file__).parents[3]
DEADLINE = 60.0


@contextmanager
def running(deployment: Deployment, log: Path, *stages: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run stages until all of them are working."""
    environment = {
        **deployment.environment,
        "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@nw.example>",
        "LEADMAIL_LOG_FORMAT": "json",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "run", *stages],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: log.read_text().count('"event": "running"') == len(stages), log)
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: object, log: Path) -> None:
    """Wait for a condition."""
    end = time.monotonic() + DEADLINE
    assert callable(condition)
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the stages' process ids."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(number) for number in text.split()]


def alive(pid: int) -> bool:
    """Return whether a process still runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_its_stages_in_order(empty: Deployment, tmp_path: Path, number: signal.Signals) -> None:
    """On Ctrl-C, kill and a closed terminal, each stage finishes the messages being processed and the command exits 0."""
    log = tmp_path / "log"
    with running(empty, log, "parser", "notifier") as process:
        stages = children(process)
        assert len(stages) == 2
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0
        assert log.read_text().count('"event": "stopped"') == 2
        assert not any(alive(pid) for pid in stages)


def test_the_console_says_where_it_is(empty: Deployment, tmp_path: Path) -> None:
    """People who start it want to open it."""
    log, port = tmp_path / "log", free_port()
    url = f"http://127.0.0.1:{port}"
    with running(empty, log, "console", LEADMAIL_CONSOLE_URL=url, LEADMAIL_CONSOLE_PORT=str(port)) as process:
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert f"The console is at {url}" in log.read_text()


def test_a_stage_that_dies_ends_the_others(empty: Deployment, tmp_path: Path) -> None:
    """The command names the stage and fails."""
    log = tmp_path / "log"
    with running(empty, log, "parser", "notifier") as process:
        victim = next(pid for pid in children(process) if b"notifier" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(victim, signal.SIGKILL)
        assert process.wait(DEADLINE) == 1
    assert "leadmail: the notifier exited with code -9; the other processes were stopped." in log.read_text()


def test_stages_do_not_outlive_a_killed_command(empty: Deployment, tmp_path: Path) -> None:
    """Even SIGKILL leaves no stage behind."""
    log = tmp_path / "log"
    with running(empty, log, "notifier") as process:
        stages = children(process)
        process.kill()
        until(lambda: not any(alive(pid) for pid in stages), log)


def test_what_cannot_be_run(empty: Deployment) -> None:
    """An unknown stage or a missing setting is reported before anything starts."""
    unknown = empty.run("run", "parser", "pollster")
    assert (unknown.code, unknown.errors) == (
        2,
        "leadmail: there is no stage pollster: choose from poller, parser, matcher, notifier, console.\n",
    )
    missing = empty.run("run", "notifier", LEADMAIL_SMTP_URL="")
    assert missing.code == 2
    assert missing.errors.startswith("leadmail: LEADMAIL_SMTP_URL is not set")
