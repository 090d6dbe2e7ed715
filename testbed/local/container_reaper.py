"""Removes a run's containers once the process that created them is gone, however it ended.

`python -m testbed.local.container_reaper RUN` waits for the end of its standard input, which is a pipe from that process.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import docker
from docker.errors import APIError

from testbed.processes.reaper import LABEL


def reap(run: str) -> None:
    """Remove all containers of a run, with their volumes."""
    client = docker.from_env()
    try:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={run}"}):
            with suppress(APIError):  # being removed already
                container.remove(force=True, v=True)
    finally:
        client.close()


if __name__ == "__main__":
    sys.stdin.read()
    reap(sys.argv[1])
