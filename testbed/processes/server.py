"""What every server that is a child process has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.processes import waiting
from testbed.processes.child import Child, Spawner
from testbed.processes.parts import HostingError


class ServerProcess:
    """One server: started and waited for, stopped in order, or killed."""

    stop_seconds = 15.0
    """How long it may take to end in order."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._child: Child | None = None

    def _run(
        self,
        command: Sequence[str],
        wait: waiting.Wait,
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        user: str | None = None,
    ) -> None:
        """Start the server; returns when ``wait`` does. One that does not answer is killed: the next start needs its ports."""
        self._child = self._spawner.spawn(command, log=log, env=env, cwd=cwd, user=user)
        try:
            wait(self._child.alive)
        except HostingError as error:
            self._child.kill()
            raise HostingError(f"{error}; the end of its log:\n{self.log()}") from error

    @property
    def pid(self) -> int:
        """The process; raises HostingError when it is not started."""
        if self._child is None:
            raise HostingError("the server is not started")
        return self._child.pid

    def alive(self) -> bool:
        """Return whether it is running."""
        return self._child is not None and self._child.alive()

    def stop(self) -> None:
        """Let it end in order."""
        if self._child:
            self._child.terminate(self.stop_seconds)
            self._child = None

    def kill(self) -> None:
        """SIGKILL it and its children."""
        if self._child:
            self._child.kill()
            self._child = None

    def close(self) -> None:
        """End it permanently."""
        self.kill()

    def log(self) -> str:
        """Return the end of its log."""
        return self._child.log() if self._child else ""
