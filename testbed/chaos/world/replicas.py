"""Stages as child processes, two of each, started again whenever they end, as a supervisor does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from testbed.processes.child import Child, Spawner, tail

STAGES: Final = ("poller", "parser", "matcher", "notifier")
_PROJECT = Path(__file__).parents[3]
_LOOK_S = 0.1
_PAUSE_S = 0.5
_END_S = 40


class Replica:
    """One process of a stage, under a name that it keeps over its deaths."""

    def __init__(self, stage: str, number: int, environment: Mapping[str, str], folder: Path, spawner: Spawner) -> None:
        self.stage = stage
        self.name = f"{stage}-{number}"
        self._environment = {**environment, "LEADMAIL_INSTANCE": self.name}
        self._log = folder / f"{self.name}.log"
        self._spawner = spawner
        self._child: Child | None = None
        self._wanted = False
        self.ends: list[int] = []
        """Exit codes of when it ended by itself."""

    def start(self) -> None:
        """Start it, unless another fault's end did."""
        self._wanted = True
        if self._child is not None and self._child.alive():
            return
        command = [sys.executable, "-m", f"services.{self.stage}"]
        self._child = self._spawner.spawn(command, log=self._log, env=self._environment, cwd=_PROJECT)

    def kill(self) -> None:
        """SIGKILL the process, but not its children, which have to notice by themselves. It is not started again."""
        self._wanted = False
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP it, with the processes that it started."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT it."""
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        if self._child is not None and self._child.alive():
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, which)

    def revive(self) -> bool:
        """Start it again if it exited by itself. Returns whether it had."""
        if not self._wanted or self._child is None or self._child.alive():
            return False
        self.ends.append(self._child.returncode)
        self.start()
        return True

    def end(self) -> int:
        """End it in order; returns its exit code."""
        self._wanted = False
        if self._child is None:
            return 0
        self._child.terminate(seconds=_END_S)
        return self._child.returncode

    def log(self) -> str:
        """Return the end of its log."""
        return tail(self._log)


class Replicas:
    """Every replica of every stage, and their supervisor.

    Args:
        environment: of a replica, by its name.
        folder: for logs.
        each: replicas of a stage.
    """

    def __init__(self, environment: Callable[[str], Mapping[str, str]], folder: Path, *, each: int = 2) -> None:
        self._spawner = Spawner()
        self.all = [
            Replica(stage, number, environment(f"{stage}-{number}"), folder, self._spawner)
            for stage in STAGES
            for number in range(1, each + 1)
        ]
        self._supervising: asyncio.Task[None] | None = None

    def named(self, name: str) -> Replica:
        """Return a replica."""
        return next(replica for replica in self.all if replica.name == name)

    async def __aenter__(self) -> Self:
        for replica in self.all:
            replica.start()
        self._supervising = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.gather(self._supervising, return_exceptions=True)
        for replica in self.all:
            replica.thaw()
        await asyncio.gather(*(asyncio.to_thread(replica.end) for replica in self.all))
        self._spawner.close()

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            for replica in self.all:
                if replica.revive():
                    await asyncio.sleep(_PAUSE_S)

    def ends(self) -> dict[str, list[int]]:
        """Return the exit codes of processes that exited by themselves."""
        return {replica.name: replica.ends for replica in self.all if replica.ends}

    def logs(self) -> Iterable[tuple[str, str]]:
        """Return the end of each one's log."""
        return [(replica.name, replica.log()) for replica in self.all]
