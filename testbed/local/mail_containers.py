"""The mail servers as containers: Dovecot, Cyrus, Courier."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from testbed.local import images
from testbed.local.container_part import ContainerPart
from testbed.processes.certificates import Certificates
from testbed.processes.parts import LOOPBACK, ImapEndpoint, LmtpEndpoint
from testbed.processes.ports import free_ports
from testbed.processes.users import MailUsers
from testbed.servers.dovecot import wait_for_mail
from testbed.servers.dovecot_config import DovecotSettings, dovecot_config
from testbed.servers.mail.process import wait_for
from testbed.servers.mail.settings import MailSettings

_TESTBED = Path(__file__).parents[1]
_CERTIFICATES = PurePosixPath("/etc/leadmail-certificates")
_USERS = PurePosixPath("/etc/leadmail-users")


class DovecotContainer(ContainerPart):
    """Dovecot from our own image, its configuration, certificates and users mounted from the host."""

    def __init__(self, run: str, folder: Path, users: MailUsers, certificates: Certificates) -> None:
        imap, imaps, lmtp = free_ports(3)
        self.imap = ImapEndpoint(LOOPBACK, imap, imaps, certificates.ca)
        self.lmtp = LmtpEndpoint(LOOPBACK, lmtp)
        self._configuration = folder
        super().__init__(
            images.mail_image("dovecot"),
            run,
            ports={1143: imap, 1993: imaps, 1024: lmtp},
            mounts={
                folder: "/etc/leadmail",
                certificates.ca.parent: str(_CERTIFICATES),
                users.folder: str(_USERS),
            },
            wait=lambda alive: wait_for_mail(imap, lmtp, alive),
        )

    def start(self) -> None:
        """Write the configuration in both syntaxes (the image knows which Dovecot it has), then start."""
        self._configuration.mkdir(exist_ok=True)
        self._configuration.chmod(0o755)
        for version in ("2.3", "2.4"):
            path = self._configuration / f"dovecot-{version}.conf"
            path.write_text(dovecot_config(f"{version}.0", _DOVECOT_INSIDE))
            path.chmod(0o644)
        super().start()


_DOVECOT_INSIDE = DovecotSettings(
    run=PurePosixPath("/run/leadmail"),
    mail=PurePosixPath("/srv/mail"),
    users=_USERS,
    certificate=_CERTIFICATES / "server.pem",
    key=_CERTIFICATES / "server.key",
    log="/dev/stderr",
    listen="*",
    imap_port=1143,
    imaps_port=1993,
    lmtp_port=1024,
    user="mail",
    group="mail",
)


class MailContainer(ContainerPart):
    """Cyrus or Courier from our own image; what runs them is this package, mounted from the host."""

    def __init__(self, kind: str, run: str, users: MailUsers, certificates: Certificates) -> None:
        imap, imaps, lmtp = free_ports(3)
        self.imap = ImapEndpoint(LOOPBACK, imap, imaps, certificates.ca)
        self.lmtp = LmtpEndpoint(LOOPBACK, lmtp)
        super().__init__(
            images.mail_image(kind),
            run,
            ports={1143: imap, 1993: imaps, 1024: lmtp},
            command=["python", "-m", "testbed.servers.mail", *_INSIDE.arguments(kind)],
            environment={"PYTHONPATH": "/opt/leadmail", "PYTHONDONTWRITEBYTECODE": "1"},
            mounts={
                _TESTBED: "/opt/leadmail/testbed",
                certificates.ca.parent: str(_CERTIFICATES),
                users.folder: str(_USERS),
            },
            wait=partial(wait_for, kind, self.imap, self.lmtp),
        )


_INSIDE = MailSettings(
    programs=Path("/"),
    folder=Path("/srv/leadmail/mail"),
    users=Path(_USERS),
    certificate=Path(_CERTIFICATES / "server.pem"),
    key=Path(_CERTIFICATES / "server.key"),
    listen="0.0.0.0",  # noqa: S104 - inside the container; published on the loopback
    imap_port=1143,
    imaps_port=1993,
    lmtp_port=1024,
)
