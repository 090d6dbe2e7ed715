"""Child processes that never outlive this process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from testbed.processes.parts import HostingError

_LOG_TAIL_BYTES = 3_000


class Spawner:
    """Starts children that the kernel kills when we die, whatever kills us.

    The kernel ties a child's parent-death signal to the *thread* that made it, so all children are made by one
    thread that lives as long as this object: a caller's short-lived thread would take its servers with it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

    def spawn(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path, user: str | None = None
    ) -> Child:
        """Start `command` in a new session, its output appended to `log`.

        Args:
            command: program and arguments.
            log: where standard output and error go.
            env: the whole environment.
            cwd: the working directory.
            user: name of the user to become (we must be root), with the group of the same name; None to stay.
        """
        become = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        # setpriv (util-linux, essential in Debian) sets the signal after the change of user, which would clear it,
        # and spares us code of ours between fork and exec, which is not safe in a process with threads.
        full = ["setpriv", "--pdeathsig", "KILL", *become, "--", *command]
        return self._thread.submit(self._spawn, full, log, dict(env), cwd).result()

    @staticmethod
    def _spawn(command: list[str], log: Path, env: dict[str, str], cwd: Path) -> Child:
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,  # Ctrl-C in the terminal is for us; we then end the children in order
                )
            except FileNotFoundError as error:
                raise HostingError(f"cannot run {error.filename}: install the package util-linux") from error
        return Child(process, log)

    def close(self) -> None:
        """Stop the thread, and with it every child that still runs."""
        self._thread.shutdown(wait=True)


class Child:
    """A running server process and the process group that it leads."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    def alive(self) -> bool:
        """Return whether the process is still running."""
        return self._process.poll() is None

    @property
    def returncode(self) -> int:
        """How it ended: its exit status, or minus the signal; 0 while it runs."""
        return self._process.poll() or 0

    def terminate(self, seconds: float = 15) -> None:
        """Ask it to stop, wait that long, then kill it; its whole process group is gone afterwards."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End the process and its group at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log(self) -> str:
        """Return the end of what it wrote."""
        return tail(self._log)


def tail(path: Path) -> str:
    """Return the last lines of a log file, empty when there is none."""
    if not path.exists():
        return ""
    return path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")
