"""Dovecot's submission service: it takes the same logins and tokens as its IMAP service, and sends by the SMTP sink."""

from __future__ import annotations

from testbed.processes import waiting
from testbed.processes.parts import LOOPBACK, SmtpEndpoint
from testbed.processes.ports import free_ports
from testbed.servers.dovecot import DovecotProcess
from testbed.servers.dovecot_config import DovecotSettings
from testbed.servers.mail.unpacked import unpacked

_START_S = 20
_SUBMISSION = """
protocols = imap lmtp submission
hostname = submission.example.test
submission_relay_host = {host}
submission_relay_port = {relay}
service submission-login {{
  chroot =
  executable = {programs}/submission-login
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = {tls_port}
    ssl = yes
  }}
}}
service submission {{
  executable = {programs}/submission
}}
"""


class DovecotSubmission(DovecotProcess):
    """A Dovecot of its own beside the one with the mailboxes. Debian's package is unpacked, not installed."""

    def __init__(self, dovecot: DovecotProcess, *, relay: int) -> None:
        """``relay`` is the port by which mail is sent."""
        super().__init__(*dovecot.like(dovecot.mail.parent.with_name("submission")))
        self.identity_port = dovecot.identity_port
        self._relay = relay
        port, tls_port = free_ports(2)
        self.endpoint = SmtpEndpoint(LOOPBACK, port, tls_port, self.imap.ca_file)

    def start(self) -> None:
        """Start Dovecot; returns when submission answers, too."""
        super().start()
        port = self.endpoint.port
        waiting.until(
            lambda: waiting.greets(port, greeting=b"220 "),
            what="Dovecot's submission",
            seconds=_START_S,
            part_alive=self.alive,
        )

    def _configuration(self, settings: DovecotSettings) -> str:
        programs = unpacked("submission") / "usr/lib/dovecot"
        mine = {"port": self.endpoint.port, "tls_port": self.endpoint.tls_port, "relay": self._relay}
        return super()._configuration(settings) + _SUBMISSION.format(programs=programs, host=LOOPBACK, **mine)
