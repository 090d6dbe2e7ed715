"""What a server offers, and how it phrases it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from testbed.servers.scripted.faults import ImapFault

EVERYTHING = (
    "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS CONDSTORE QRESYNC ESEARCH MOVE UNSELECT "
    "SPECIAL-USE LIST-EXTENDED LIST-STATUS CHILDREN"
)
"""A server with everything that the tests' server can."""
LOGINS = "AUTH=PLAIN AUTH=LOGIN"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A server's habits. Those that need code are its ``faults``."""

    name: str = "full"
    capabilities: str = EVERYTHING
    """After the login; before it, LOGINS and STARTTLS are added."""
    logins: str = LOGINS
    delimiter: bytes = b"/"
    delimiter_form: bytes = b'"/"'
    """As LIST and NAMESPACE write it."""
    namespaces: bytes = b'(("" "/")) NIL NIL'
    greeting: str = "* OK ready"
    tells_uidnext: bool = True
    """Whether SELECT says UIDNEXT; Courier does not."""
    inbox: bytes = b"INBOX"
    """How LIST writes it."""
    connections: int = 1000
    """At a time per mailbox."""
    limit_text: str = "[ALERT] Too many simultaneous connections. (Failure)"
    needs_id: bool = False
    """Whether SELECT is refused before an ID (NetEase)."""
    exists_before_idle: bool = False
    """Whether EXISTS comes before the ``+`` that answers IDLE (Exchange)."""
    ascii_folders: bool = True
    rev2: bool = False
    """Whether it answers as IMAP4rev2 (RFC 9051): ESEARCH instead of SEARCH, no RECENT."""
    folders: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Sent", ("\\Sent",)),
        ("Drafts", ("\\Drafts",)),
        ("Trash", ("\\Trash",)),
        ("Junk", ("\\Junk",)),
    )
    """What a new mailbox has beside INBOX."""
    faults: tuple[Callable[[], ImapFault], ...] = field(default=())
    """Made for each mailbox."""
    login_faults: tuple[Callable[[], ImapFault], ...] = field(default=())
    """Made for each listener: in effect from the greeting on."""

    def has(self, capability: str) -> bool:
        """Whether it offers an extension."""
        return capability in self.capabilities.split()

    def without(self, *capabilities: str) -> Dialect:
        """Return the same without some extensions."""
        left = [one for one in self.capabilities.split() if one not in capabilities]
        return replace(self, name=f"{self.name} without {' '.join(capabilities)}", capabilities=" ".join(left))

    def including(self, *capabilities: str) -> Dialect:
        """Return the same with more extensions."""
        return replace(self, capabilities=" ".join((self.capabilities, *capabilities)))


FULL = Dialect()
