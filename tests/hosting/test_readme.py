"""The steps of the README that need no servers of the reader's own, typed as the README prints them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.processes.ports import free_port

pytestmark = [pytest.mark.servers, pytest.mark.containers, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
WATCH = "leadmail status --watch"


def blocks(heading: str) -> list[str]:
    """Return the blocks of commands in a section of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_readers_steps_work(tmp_path: Path) -> None:
    """A mailbox is connected and its import confirmed; a colleague sees its mail until it is private; the console starts."""
    first, *others = blocks("Try it step by step")
    start = first.replace("make servers\n", "").replace(".venv/bin/python", sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150", "LEADMAIL_CONSOLE_PORT": str(free_port())}
    up = subprocess.Popen(
        ["bash", "-c", f"exec {start}"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        assert any("Ctrl-C" in line for line in up.stdout), "the servers did not start"
        steps = "".join(others)
        assert WATCH in steps
        # Jobs get their own process groups, as at a prompt. A person ends the watch when the import is confirmed.
        script = "set -emuo pipefail\n" + steps.replace(
            WATCH, "until leadmail status | grep -q 'complete, confirmed'; do sleep 0.2; done"
        )
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
    assert done.returncode == 0, done.stderr + done.stdout
    counts = re.findall(r"(\d+) emails? that colleague@example.com can see", done.stdout)
    assert counts == ["1", "0"]
    assert "1 email that you@example.com can see" in done.stdout
    assert "Subject: you@example.com is synchronised: 1 email on your records" in done.stdout
    assert "http://127.0.0.1:8080/sign-in/" in done.stdout
    assert "Nothing is wrong" in done.stdout
