"""A running RabbitMQ, whichever way it is hosted: its addresses and its management interface."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from testbed.processes import waiting
from testbed.processes.parts import LOOPBACK

_START_S = 90
_HTTP_S = 30
# RabbitMQ (3.10 and 4.0 alike) writes the name of a new quorum queue to disk three seconds late, and after a kill before
# that the queue never gets a leader again. Succeeds when every queue's folder is older than that.
_QUEUES_ARE_ON_DISK = """\
for names in $(find "$0" -name names.dets); do
  [ -z "$(find "$(dirname "$names")" -mindepth 1 -maxdepth 1 -type d -newermt '4 seconds ago')" ] || exit 1
done"""
_LATEST_ON_DISK_S = 5
_numbers = itertools.count(1)
_AMQP_HELLO = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME_ON_CHANNEL_0 = b"\x01\x00\x00"  # connection.start


@dataclass(frozen=True, slots=True)
class Broker:
    """How a running RabbitMQ is reached, and its management interface (the broker's HTTP API)."""

    port: int
    management_port: int
    metrics_port: int
    user: str
    password: str

    def url(self, virtual_host: str = "/") -> str:
        """Return the amqp:// URL of a virtual host."""
        return f"amqp://{self.user}:{self.password}@{LOOPBACK}:{self.port}/{quote(virtual_host, safe='')}"

    @property
    def management_url(self) -> str:
        """The management interface with credentials, for `rabbitmqadmin`, a browser or urllib."""
        return f"http://{self.user}:{self.password}@{LOOPBACK}:{self.management_port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus would scrape."""
        return f"http://{LOOPBACK}:{self.metrics_port}/metrics"

    def create_virtual_host(self, name: str) -> str:
        """Create a virtual host on which our user may do everything; return its URL."""
        self._call("PUT", f"/api/vhosts/{quote(name, safe='')}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._call("PUT", f"/api/permissions/{quote(name, safe='')}/{self.user}", everything)
        return self.url(name)

    def drop_virtual_host(self, name: str) -> None:
        """Delete a virtual host with its queues; harmless when it is not there."""
        try:
            self._call("DELETE", f"/api/vhosts/{quote(name, safe='')}", None)
        except urllib.error.HTTPError as error:
            if error.code != 404:  # noqa: PLR2004 - HTTP's "not found"
                raise

    def limit(self, virtual_host: str, queues: str, **limits: int) -> None:
        """Bound queues more closely than they are declared, by a policy: `limit(name, "^parser", **{"max-length": 100})`."""
        policy = {"pattern": queues, "definition": limits, "apply-to": "queues"}
        self._call("PUT", f"/api/policies/{quote(virtual_host, safe='')}/closer-{next(_numbers)}", policy)

    def can_dead_letter(self) -> bool:
        """Whether the broker takes a queue that dead-letters at least once, as all of ours do."""
        arguments = {
            "x-queue-type": "quorum",
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "amq.fanout",
            "x-dead-letter-strategy": "at-least-once",
        }
        path = f"/api/queues/%2F/probe-{secrets.token_hex(4)}"
        try:
            self._call("PUT", path, {"durable": True, "arguments": arguments})
            self._call("DELETE", path, None)
        except urllib.error.HTTPError:
            return False
        return True

    def alarms(self) -> list[str]:
        """Return which alarms block publishers: "memory", "disk"."""
        (node,) = self._list("/api/nodes")
        return [name for name, flag in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")) if node[flag]]

    def memory(self) -> int:
        """Return how many bytes the broker uses."""
        (node,) = self._list("/api/nodes")
        return int(node["mem_used"])

    def waiting(self, virtual_host: str) -> dict[str, int]:
        """Return the number of messages per queue that has any, including those being processed."""
        path = f"/api/queues/{quote(virtual_host, safe='')}?disable_stats=true&enable_queue_totals=true"
        return {queue["name"]: queue["messages"] for queue in self._list(path) if queue.get("messages")}

    def _list(self, path: str) -> list[dict[str, Any]]:
        answer: Any = self._call("GET", path, None)
        return list(answer)

    def wait(self, part_alive: Callable[[], bool]) -> None:
        """Return once AMQP and the management interface answer."""
        waiting.until(self._answers, what="RabbitMQ", seconds=_START_S, part_alive=part_alive)

    def _answers(self) -> bool:
        # AMQP last: the broker opens that listener at the very end of its start.
        return waiting.greets(self.port, greeting=_METHOD_FRAME_ON_CHANNEL_0, say=_AMQP_HELLO) and (
            self._call("GET", "/api/whoami", None)["name"] == self.user
        )

    def _call(self, method: str, path: str, body: object) -> dict[str, str]:
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.management_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
        )
        # A handler without proxies: HTTP_PROXY in the environment is not meant for the loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_HTTP_S) as response:
            content = response.read()
        answer: dict[str, str] = json.loads(content) if content else {}
        return answer


def wait_for_new_queues(run: Callable[[list[str]], int], data: PurePath) -> None:
    """Return once a kill would not lose a queue that was created just now.

    Args:
        run: runs a command where the broker's files are and returns its exit status.
        data: the broker's data folder, as seen there.
    """
    deadline = time.monotonic() + _LATEST_ON_DISK_S
    while run(["sh", "-c", _QUEUES_ARE_ON_DISK, str(data)]) != 0 and time.monotonic() < deadline:
        time.sleep(0.1)
