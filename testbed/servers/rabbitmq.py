"""RabbitMQ as child processes: the broker from the distribution's package, and our own epmd."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from testbed.processes import waiting
from testbed.processes.child import Child, Spawner
from testbed.processes.packages import RABBITMQ_SERVER
from testbed.processes.parts import LOOPBACK, HostingError
from testbed.processes.ports import free_ports
from testbed.processes.server import ServerProcess
from testbed.servers.broker import Broker, wait_for_new_queues

_STARTS = 3
"""A start may leave the broker without its supervisor of dead-letter workers, see docs/gotchas.md: start it again."""


class RabbitMQProcess(ServerProcess):
    """A single broker node with management and Prometheus plugins, with everything in one folder."""

    stop_seconds = 30.0

    def __init__(self, folder: Path, spawner: Spawner) -> None:
        super().__init__(spawner)
        self._folder = folder
        ports = free_ports(5)
        self.broker = Broker(ports[0], ports[1], ports[2], "leadmail", secrets.token_hex(8))
        self._epmd_port, self._distribution_port = ports[3], ports[4]
        self._epmd: Child | None = None

    def start(self) -> None:
        """Start epmd and the broker; returns when both AMQP and the management interface answer."""
        self._write_files()
        if self._epmd is None or not self._epmd.alive():
            self._epmd = self._spawner.spawn(
                ["epmd", "-address", LOOPBACK, "-port", str(self._epmd_port)],
                log=self._folder / "epmd.log",
                env=self._environment(),
                cwd=self._folder,
            )
            epmd = self._epmd
            waiting.until(
                lambda: waiting.greets(self._epmd_port, greeting=b""), what="epmd", seconds=10, part_alive=epmd.alive
            )
        for _ in range(_STARTS):
            self._run(
                [str(RABBITMQ_SERVER)],
                self.broker.wait,
                log=self._folder / "broker.log",
                env=self._environment(),
                cwd=self._folder,
            )
            if self.broker.can_dead_letter():
                return
            super().stop()
        raise HostingError(f"RabbitMQ takes no queue with a dead-letter worker; the end of its log:\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL the broker, after the seconds that a new queue needs to survive that."""
        if self._child:
            wait_for_new_queues(lambda command: subprocess.run(command, check=False).returncode, self._folder / "data")
            super().kill()

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl; raises HostingError when it fails."""
        # Not the one on the PATH: as root that becomes the user rabbitmq, with another home and so another cookie.
        command = [str(RABBITMQ_SERVER.with_name("rabbitmqctl")), *arguments]
        done = subprocess.run(
            command, env=self._environment(), cwd=self._folder, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise HostingError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")

    def close(self) -> None:
        """Kill the broker and epmd."""
        super().kill()
        if self._epmd:
            self._epmd.kill()
            self._epmd = None

    def _write_files(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "rabbitmq.conf").write_text(self._configuration())
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")
        cookie = self._folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(20))

    def _configuration(self) -> str:
        broker = self.broker
        return f"""\
listeners.tcp.1 = {LOOPBACK}:{broker.port}
management.tcp.ip = {LOOPBACK}
management.tcp.port = {broker.management_port}
prometheus.tcp.ip = {LOOPBACK}
prometheus.tcp.port = {broker.metrics_port}
default_user = {broker.user}
default_pass = {broker.password}
# Bounds that hold on a small machine too; the defaults are shares of the whole of it.
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
"""

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        loopback = "{127,0,0,1}"
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder),  # where Erlang looks for its cookie
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_NODENAME": "leadmail@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),  # never the distribution's
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-start_epmd false -kernel inet_dist_use_interface {loopback}",
            # The script then becomes the Erlang machine instead of waiting for it, so that the process we end is the
            # broker itself, which takes SIGTERM as "stop in order".
            "RUNNING_UNDER_SYSTEMD": "true",
        }
