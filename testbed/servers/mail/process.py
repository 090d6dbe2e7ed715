"""Cyrus or Courier as a child process."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from testbed.processes import waiting
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK
from testbed.processes.ports import mail_endpoints
from testbed.processes.server import ServerProcess
from testbed.processes.users import MailUsers
from testbed.servers.mail.settings import MailSettings
from testbed.servers.mail.unpacked import unpacked

_PROJECT = Path(__file__).parents[3]


class MailProcess(ServerProcess):
    """Our own Cyrus or Courier. It never needs root: as root it runs as the user `mail`."""

    def __init__(self, kind: str, folder: Path, users: MailUsers, certificates: Certificates, spawner: Spawner) -> None:
        super().__init__(spawner)
        self.kind = kind
        self._folder = folder
        self._users = users
        self._certificates = certificates
        self.imap, self.lmtp = mail_endpoints(certificates.ca)

    def start(self) -> None:
        """Start it; returns when IMAP and LMTP answer."""
        settings = MailSettings(
            programs=unpacked(self.kind),
            folder=self._folder,
            users=self._users.folder,
            certificate=self._certificates.certificate,
            key=self._certificates.key,
            listen=LOOPBACK,
            imap_port=self.imap.port,
            imaps_port=self.imap.tls_port,
            lmtp_port=self.lmtp.port,
        )
        self._folder.mkdir(exist_ok=True)
        self._run(
            [sys.executable, "-m", "testbed.servers.mail", *settings.arguments(self.kind)],
            partial(waiting.for_mail_server, self.kind.capitalize(), self.imap, self.lmtp),
            log=self._folder.with_suffix(".log"),
            env={**os.environ, "PYTHONPATH": str(_PROJECT)},
            cwd=_PROJECT,
        )
