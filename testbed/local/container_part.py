"""One server in a container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from testbed.processes.parts import LOOPBACK, HostingError
from testbed.processes.reaper import LABEL

_STOP_S = 30
_LOG_LINES = 40
_MOUNTED = "ro,z"  # z: readable in the container on machines with SELinux too


class ContainerPart:
    """One container: created at its first start, kept over stops and kills, removed with its volumes at close."""

    def __init__(
        self,
        image: str,
        run: str,
        *,
        ports: Mapping[int, int],
        wait: Callable[[Callable[[], bool]], None],
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        hostname: str = "localhost",
        on_host_network: bool = False,
    ) -> None:
        where: dict[str, Any] = {"network_mode": "host"} if on_host_network else {"hostname": hostname}
        self._specification = DockerContainer(
            image,
            env=dict(environment or {}),
            volumes=[(str(path), inside, _MOUNTED) for path, inside in (mounts or {}).items()],
            labels={LABEL: run},
            **where,
        )
        if command:
            self._specification.with_command(command)
        # Its own methods publish on all interfaces; docker-py, which it hands this to, also takes (address, port).
        published: dict[str, Any] = {f"{inside}/tcp": (LOOPBACK, outside) for inside, outside in ports.items()}
        self._specification.ports = published
        self._wait = wait
        self._container: Container | None = None

    def start(self) -> None:
        """Make or start the container; returns when the server answers."""
        try:
            if self._container is None:
                self._specification.start()
                self._container = self._specification.get_wrapped_container()
            else:
                self._container.start()
            self._wait(self.alive)
        except APIError as error:
            raise HostingError(f"the engine cannot start {self._specification.image}: {error.explanation}") from error
        except HostingError as error:
            raise HostingError(f"{error}; the end of its log:\n{self.log()}") from error

    def stop(self) -> None:
        """Stop the container in order."""
        if self._container:
            self._container.stop(timeout=_STOP_S)

    def kill(self) -> None:
        """SIGKILL the container's process."""
        if self._container and self.alive():
            self._container.kill()
            self._container.wait(timeout=_STOP_S)

    def close(self) -> None:
        """Remove the container and its volumes."""
        self._specification.stop()
        self._container = None

    def log(self) -> str:
        """Return the container's last lines."""
        if self._container is None:
            return ""
        return str(self._container.logs(tail=_LOG_LINES).decode("utf-8", "replace"))

    def execute(self, command: list[str]) -> int:
        """Run a command in the container; return its exit status."""
        if self._container is None:
            raise HostingError("the container is not there yet")
        return int(self._container.exec_run(command).exit_code)

    def alive(self) -> bool:
        """Return whether the container is running."""
        if self._container is None:
            return False
        self._container.reload()
        return bool(self._container.status == "running")
