"""Dovecot as child processes: IMAP, and LMTP for delivery."""

from __future__ import annotations

import getpass
import grp
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from testbed.identity.part import introspection_url
from testbed.processes import waiting
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.packages import program
from testbed.processes.parts import LOOPBACK, HostingError
from testbed.processes.ports import free_port, mail_endpoints
from testbed.processes.server import ServerProcess
from testbed.processes.users import MailUsers
from testbed.servers.dovecot_config import DovecotSettings, dovecot_config, oauth2_settings

_UNPRIVILEGED = "mail"  # in every Debian and Ubuntu (package base-passwd)


class DovecotProcess(ServerProcess):
    """Our own Dovecot, which never needs root: as root it is started as the user `mail`."""

    def __init__(self, folder: Path, users: MailUsers, certificates: Certificates, spawner: Spawner) -> None:
        super().__init__(spawner)
        self._folder = folder
        self._users = users
        self._certificates = certificates
        self.imap, self.lmtp = mail_endpoints(certificates.ca)
        self.identity_port = free_port()
        """Where the identity server is that it asks about tokens, once that is started."""

    def start(self) -> None:
        """Start Dovecot; returns when IMAP and LMTP answer."""
        folder = self._folder
        _make_folders(folder)
        configuration = folder / "dovecot.conf"
        settings = self._settings(folder)
        configuration.write_text(self._configuration(settings))
        (folder / "oauth2.conf").write_text(oauth2_settings(settings))
        configuration.chmod(0o644)
        self._run(
            [str(_dovecot()), "-F", "-c", str(configuration)],
            partial(waiting.for_mail_server, "Dovecot", self.imap, self.lmtp),
            log=folder / "dovecot.log",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(folder), "LANG": "C.UTF-8"},
            cwd=folder,
            user=_UNPRIVILEGED if os.geteuid() == 0 else None,
        )

    @property
    def mail(self) -> Path:
        """Where the mailboxes lie: `<mail>/<address>/Maildir`."""
        return self._folder / "mail"

    def like(self, folder: Path) -> tuple[Path, MailUsers, Certificates, Spawner]:
        """Return what another Dovecot with the same users is made of."""
        return folder, self._users, self._certificates, self._spawner

    def _configuration(self, settings: DovecotSettings) -> str:
        return dovecot_config(_version(), settings)

    def _settings(self, folder: Path) -> DovecotSettings:
        user = _UNPRIVILEGED if os.geteuid() == 0 else getpass.getuser()
        group = _UNPRIVILEGED if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name
        return DovecotSettings(
            run=folder / "run",
            mail=folder / "mail",
            users=self._users.folder,
            certificate=self._certificates.certificate,
            key=self._certificates.key,
            log="/dev/stderr",
            listen=LOOPBACK,
            imap_port=self.imap.port,
            imaps_port=self.imap.tls_port,
            lmtp_port=self.lmtp.port,
            user=user,
            group=group,
            introspection=introspection_url(self.identity_port),
            oauth2=str(folder / "oauth2.conf"),
        )


def _make_folders(folder: Path) -> None:
    for path in (folder, folder / "run", folder / "mail"):
        path.mkdir(mode=0o755, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)


def _dovecot() -> Path:
    found = program("dovecot")
    if not found:
        raise HostingError("dovecot is not installed: run `apt-get install dovecot-imapd dovecot-lmtpd`")
    return found


def _version() -> str:
    return subprocess.run([str(_dovecot()), "--version"], capture_output=True, text=True, check=False).stdout.strip()
