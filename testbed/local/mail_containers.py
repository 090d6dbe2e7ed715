"""The mail servers as containers: Dovecot, Cyrus, Courier."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from testbed.local import images
from testbed.local.container_part import ContainerPart
from testbed.processes import waiting
from testbed.processes.certificates import Certificates
from testbed.processes.ports import mail_endpoints
from testbed.processes.users import MailUsers
from testbed.servers.dovecot_config import DovecotSettings, dovecot_config
from testbed.servers.mail.settings import MailSettings

_TESTBED = Path(__file__).parents[1]
_CERTIFICATES = PurePosixPath("/etc/leadmail-certificates")
_USERS = PurePosixPath("/etc/leadmail-users")


class _FromImage(ContainerPart):
    """A mail server from our own image, its certificates and users mounted from the host."""

    def __init__(
        self,
        kind: str,
        run: str,
        users: MailUsers,
        certificates: Certificates,
        mounts: Mapping[Path, str],
        *,
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.imap, self.lmtp = mail_endpoints(certificates.ca)
        super().__init__(
            images.mail_image(kind),
            run,
            ports={1143: self.imap.port, 1993: self.imap.tls_port, 1024: self.lmtp.port},
            command=command,
            environment=environment,
            mounts={**mounts, certificates.ca.parent: str(_CERTIFICATES), users.folder: str(_USERS)},
            wait=partial(waiting.for_mail_server, kind.capitalize(), self.imap, self.lmtp),
        )


class DovecotContainer(_FromImage):
    """Dovecot, its configuration mounted from the host, too."""

    def __init__(self, run: str, folder: Path, users: MailUsers, certificates: Certificates) -> None:
        self._configuration = folder
        super().__init__("dovecot", run, users, certificates, {folder: "/etc/leadmail"})

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


class MailContainer(_FromImage):
    """Cyrus or Courier; what runs them is this package, mounted from the host."""

    def __init__(self, kind: str, run: str, users: MailUsers, certificates: Certificates) -> None:
        super().__init__(
            kind,
            run,
            users,
            certificates,
            {_TESTBED: "/opt/leadmail/testbed"},
            command=["python", "-m", "testbed.servers.mail", *_INSIDE.arguments(kind)],
            environment={"PYTHONPATH": "/opt/leadmail", "PYTHONDONTWRITEBYTECODE": "1"},
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
