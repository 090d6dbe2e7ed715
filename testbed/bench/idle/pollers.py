"""The poller processes that are measured, and what the system says about them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from testbed.bench.accounting import cpu_seconds
from testbed.bench.deployment import ready
from testbed.bench.mailboxes import BenchError
from testbed.processes.child import Child, Spawner
from testbed.processes.ports import free_ports

_PROJECT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "services.poller")
_STEP_S = 5.0
_STEADY = 0.25
"""By how much the CPU time of two steps may differ at rest."""


class Pollers:
    """Pollers of one deployment."""

    def __init__(self, spawner: Spawner, environment: Mapping[str, str], folder: Path) -> None:
        self._spawner = spawner
        self._environment = environment
        self._folder = folder
        self.running: list[Child] = []
        self.names: list[str] = []
        """Of those that run."""
        self._ports: list[int] = []

    def start(self, count: int = 1) -> None:
        """Start pollers."""
        self._ports = free_ports(count)
        for port in self._ports:
            name = f"poller-{len(self.running)}-{port}"
            self.names.append(name)
            env = {**self._environment, "LEADMAIL_HTTP_PORT": str(port), "LEADMAIL_INSTANCE": name}
            self.running.append(self._spawner.spawn(COMMAND, log=self._folder / f"{name}.log", env=env, cwd=_PROJECT))

    async def ready(self) -> None:
        """Wait until the pollers that were started last are ready."""
        for port in self._ports:
            await ready("poller", port, check=self.check_alive)

    def stop(self) -> None:
        """Stop all of them as an operator would, and wait."""
        for child in self.running:
            child.terminate(seconds=120)
        self.running.clear()
        self.names.clear()

    def kill_one(self) -> None:
        """Kill the first one."""
        self.running.pop(0).kill()
        del self.names[0]

    def check_alive(self) -> None:
        """Raise BenchError if one has ended by itself."""
        for child in self.running:
            if not child.alive():
                raise BenchError(f"a poller ended; the end of its log:\n{child.log()}")

    @property
    def pids(self) -> list[int]:
        """Process ids."""
        return [child.pid for child in self.running]

    def memory_kb(self) -> int:
        """Return the proportional set size (PSS) of all of them, in KiB."""
        return sum(_pss_kb(pid) for pid in self.pids)

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that all of them have used so far."""
        return cpu_seconds({"pollers": self.pids})["pollers"]

    async def rest(self, seconds: float) -> None:
        """Wait until two steps cost about the same, or the time is up: there is periodic work at rest."""
        end = time.monotonic() + seconds
        before = float("inf")
        while time.monotonic() < end:
            self.check_alive()
            start = self.cpu_seconds()
            await asyncio.sleep(_STEP_S)
            step = self.cpu_seconds() - start
            if step <= before * (1 + _STEADY) and before <= max(step, 0.05) * (1 + _STEADY):
                return
            before = step


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise BenchError(f"the system says nothing about the memory of process {pid}")
