"""A port that was given out stays its owner's, also while its server is down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.processes import ports

ROOT = Path(__file__).parents[2]
OTHER = """
import sys
from testbed.processes import ports

taken = int(sys.argv[1])
ports._LOWEST, ports._HIGHEST = taken, taken
try:
    print(ports.free_port())
except ports.HostingError:
    print("none")
"""


def other_process(port: int) -> str:
    """Return what another process gets that wants exactly this port."""
    command = [sys.executable, "-c", OTHER, str(port)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def test_another_process_does_not_get_the_port() -> None:
    """Two test runs choose at random from one range, and a server may be started minutes later."""
    port = ports.free_port()
    assert other_process(port) == "none"
    ports._reserved.pop().close()
    assert other_process(port) == str(port)
