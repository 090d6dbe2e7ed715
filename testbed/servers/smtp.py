"""The SMTP sink as a part: a child process in both ways of hosting, because it is our own program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from testbed.processes import waiting
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK, LmtpEndpoint, SmtpEndpoint
from testbed.processes.ports import free_ports
from testbed.processes.server import ServerProcess
from testbed.processes.users import MailUsers

_PROJECT = Path(__file__).parents[2]
_START_S = 20


@dataclass(frozen=True, slots=True)
class SentMail:
    """A message that the sink took: its envelope, the login if any, and the raw bytes as received."""

    path: Path
    sender: str
    recipients: tuple[str, ...]
    login: str | None
    raw: bytes


class SmtpSink(ServerProcess):
    """The sink's process, what it received, and how it misbehaves on demand."""

    def __init__(
        self,
        folder: Path,
        users: MailUsers,
        certificates: Certificates,
        lmtp: LmtpEndpoint | None,
        spawner: Spawner,
        *,
        introspection: str = "",
    ) -> None:
        """``introspection`` is where OAuth2 tokens are asked about; empty if no tokens are taken."""
        super().__init__(spawner)
        self.folder = folder
        self._users = users
        self._certificates = certificates
        self._lmtp = lmtp
        self._introspection = introspection
        port, tls_port = free_ports(2)
        self.endpoint = SmtpEndpoint(LOOPBACK, port, tls_port, certificates.ca)

    def start(self) -> None:
        """Start the sink; returns when it greets."""
        self.folder.mkdir(parents=True, exist_ok=True)
        endpoint, files = self.endpoint, self._certificates
        command = [sys.executable, "-m", "testbed.servers.smtp_sink", "--host", endpoint.host]
        command += ["--port", str(endpoint.port), "--tls-port", str(endpoint.tls_port)]
        command += ["--lmtp-port", str(self._lmtp.port if self._lmtp else 0)]
        command += ["--folder", str(self.folder), "--users", str(self._users.folder)]
        command += ["--certificate", str(files.certificate), "--key", str(files.key)]
        command += ["--introspection", self._introspection] if self._introspection else []
        greets = partial(waiting.greets, endpoint.port, greeting=b"220 ")
        self._run(
            command,
            lambda alive: waiting.until(greets, what="the SMTP sink", seconds=_START_S, part_alive=alive),
            log=self.folder / "sink.log",
            env={**os.environ, "PYTHONPATH": str(_PROJECT)},
            cwd=_PROJECT,
        )

    def sent(self) -> list[SentMail]:
        """Return what was taken so far, oldest first."""
        return [_read(path) for path in sorted(self.folder.glob("*.eml"))]

    @contextmanager
    def fault(
        self,
        reply: str = "451 4.3.0 try again later",
        *,
        at: Literal["rcpt", "data", "lost", "silent"] = "data",
        recipient: str | None = None,
    ) -> Iterator[None]:
        """Misbehave while the block runs.

        Args:
            reply: the SMTP reply to give, such as "451 4.3.0 ..." or "550 5.1.1 ..."; not used with "lost" and "silent".
            at: "rcpt" or "data": answer `reply` there and take nothing; "lost": take the message, then close the
                connection without an answer, so that the sender cannot know; "silent": take it and let the sender wait
                for the answer until the block ends.
            recipient: only where this address is among the recipients; None for every message.
        """
        path = self.folder / "fault.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"reply": reply, "at": at, "recipient": recipient}))
        new.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _read(path: Path) -> SentMail:
    facts = json.loads(path.with_suffix(".json").read_text())
    return SentMail(path, facts["sender"] or "", tuple(facts["recipients"]), facts["login"], path.read_bytes())
