"""What a server offers, and how it phrases it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from testbed.servers.scripted.calls import ImapFault
from testbed.servers.scripted.faults import Rewrite

EVERYTHING = (
    "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS CONDSTORE QRESYNC ESEARCH MOVE UNSELECT "
    "SPECIAL-USE LIST-EXTENDED LIST-STATUS CHILDREN"
)
"""A server with everything that the tests' server can."""
_IN_REV2 = frozenset(
    "NAMESPACE UNSELECT UIDPLUS ESEARCH ENABLE IDLE SASL-IR LIST-EXTENDED LIST-STATUS MOVE LITERAL- SPECIAL-USE".split()  # noqa: SIM905
)
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
    marks_folders: bool = False
    r"""Whether LIST says ``\Sent`` and the like without SPECIAL-USE (Exchange)."""
    star_is_newest: bool = False
    """Whether VANISHED for a range to ``*`` ends at the highest uid in use (Cyrus)."""
    rev2: bool = False
    """Whether it answers as IMAP4rev2 (RFC 9051): ESEARCH instead of SEARCH, no RECENT."""
    folders: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Sent", ("\\Sent",)),
        ("Drafts", ("\\Drafts",)),
        ("Trash", ("\\Trash",)),
        ("Junk", ("\\Junk",)),
    )
    """What a new mailbox has beside INBOX: names as octets on the wire (latin-1), and attributes."""
    faults: tuple[Callable[[], ImapFault], ...] = field(default=())
    """Made for each mailbox."""
    login_faults: tuple[Callable[[], ImapFault], ...] = field(default=())
    """Made for each listener: in effect from the greeting on."""

    def has(self, capability: str) -> bool:
        """Whether it offers an extension."""
        return capability in self.capabilities.split() or (self.rev2 and capability in _IN_REV2)

    def without(self, *capabilities: str) -> Dialect:
        """Return the same without some extensions."""
        left = [one for one in self.capabilities.split() if one not in capabilities]
        return replace(self, name=f"{self.name} without {' '.join(capabilities)}", capabilities=" ".join(left))

    def including(self, *capabilities: str) -> Dialect:
        """Return the same with more extensions."""
        return replace(
            self,
            name=f"{self.name} with {' '.join(capabilities)}",
            capabilities=" ".join((self.capabilities, *capabilities)),
        )


def _own(**names: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return folders by what they are for; double names are separated by ``|``."""
    return tuple((one, (f"\\{use.title()}",)) for use, given in names.items() for one in given.split("|"))


FULL = Dialect()
GMAIL = Dialect(
    "Gmail",
    "IMAP4rev1 UNSELECT IDLE NAMESPACE ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS ENABLE MOVE CONDSTORE ESEARCH LIST-EXTENDED "
    "LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584",
    "SASL-IR AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER",
    greeting="* OK Gimap ready for requests from 192.0.2.1",
    connections=15,
    folders=(
        ("[Gmail]", ("\\Noselect", "\\HasChildren")),
        ("[Gmail]/All Mail", ("\\All",)),
        ("[Gmail]/Drafts", ("\\Drafts",)),
        ("[Gmail]/Important", ("\\Important",)),
        ("[Gmail]/Sent Mail", ("\\Sent",)),
        ("[Gmail]/Spam", ("\\Junk",)),
        ("[Gmail]/Starred", ("\\Flagged",)),
        ("[Gmail]/Trash", ("\\Trash",)),
    ),
)
MICROSOFT = Dialect(
    "Microsoft 365",
    "IMAP4 IMAP4rev1 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
    "AUTH=PLAIN AUTH=XOAUTH2",
    greeting="* OK The Microsoft Exchange IMAP4 service is ready.",
    exists_before_idle=True,
    marks_folders=True,
    folders=(
        *_own(sent="Sent Items", drafts="Drafts", trash="Deleted Items", junk="Junk Email"),
        ("Calendar", ()),
        ("Contacts", ()),
        ("Outbox", ()),
    ),
)
EXCHANGE = replace(
    MICROSOFT, name="Exchange 2016", capabilities="IMAP4 IMAP4rev1 UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
    logins="AUTH=NTLM AUTH=GSSAPI AUTH=PLAIN", marks_folders=False,
)  # fmt: skip
YAHOO = Dialect(
    "Yahoo",
    "IMAP4rev1 ID MOVE NAMESPACE UIDPLUS LITERAL+ UNSELECT IDLE ENABLE CONDSTORE ESEARCH SPECIAL-USE",
    "SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER",
    connections=5,
    folders=_own(sent="Sent", drafts="Draft", trash="Trash", junk="Bulk Mail", archive="Archive"),
)
ICLOUD = Dialect(
    "iCloud",
    "IMAP4 IMAP4rev1 SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CONDSTORE QRESYNC ESEARCH SORT XAPPLEPUSHSERVICE",
    "AUTH=ATOKEN AUTH=PLAIN",
    folders=_own(sent="Sent Messages", drafts="Drafts", trash="Deleted Messages", junk="Junk", archive="Archive"),
    faults=(lambda: Rewrite(pattern=rb"^\* VANISHED .*", to=b"* VANISHED"),),
)
NETEASE = Dialect(
    "NetEase 163",
    "IMAP4rev1 XLIST SPECIAL-USE ID LITERAL+ APPENDLIMIT=71680000 UIDPLUS X-CM-EXT-1",
    "SASL-IR AUTH=PLAIN",
    greeting="* OK Coremail System IMap Server Ready(163com)",
    needs_id=True,
    folders=_own(sent="&XfJT0ZAB-", drafts="&g0l6P3ux-", trash="&XfJSIJZk-", junk="&V4NXPpCuTvY-"),
)
QQ = Dialect(
    "QQ",
    "IMAP4 IMAP4rev1 XLIST MOVE IDLE NAMESPACE CHILDREN ID UIDPLUS",
    "AUTH=LOGIN",
    needs_id=True,
    folders=(
        *_own(sent="Sent Messages", drafts="Drafts", trash="Deleted Messages", junk="Junk"),
        ("&UXZO1mWHTvZZOQ-", ("\\Noselect", "\\HasChildren")),
    ),
)
ZIMBRA = Dialect(
    "Zimbra",
    "IMAP4rev1 CHILDREN CONDSTORE ENABLE ESEARCH ID IDLE LIST-EXTENDED LIST-STATUS LITERAL+ NAMESPACE QRESYNC SASL-IR "
    "UIDPLUS UNSELECT XLIST",
    "AUTH=PLAIN",
    namespaces=b'(("" "/")) (("/home/" "/")) NIL',
    folders=(
        *_own(sent="Sent", drafts="Drafts", trash="Trash", junk="Junk"),
        ("/home", ("\\Noselect",)),
        ("/home/bob/Inbox", ()),
    ),
)
CYRUS = Dialect(
    "Cyrus",
    EVERYTHING,
    "SASL-IR AUTH=PLAIN AUTH=LOGIN",
    delimiter=b".",
    delimiter_form=b'"."',
    namespaces=b'(("INBOX." ".")) (("user." ".")) (("" "."))',
    star_is_newest=True,
    folders=(
        *_own(sent="INBOX.Sent", drafts="INBOX.Drafts", trash="INBOX.Trash", junk="INBOX.Spam"),
        ("user.bob", ()),
        ("user.bob.Sent", ()),
        ("news.public", ()),
    ),
)
COURIER = Dialect(
    "Courier",
    "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=REFERENCES SORT IDLE",
    "AUTH=PLAIN",
    delimiter=b".",
    delimiter_form=b'"."',
    namespaces=b'(("INBOX." ".")) NIL (("#shared." ".")("shared." "."))',
    tells_uidnext=False,
    connections=4,
    folders=_own(sent="INBOX.Sent", drafts="INBOX.Drafts", trash="INBOX.Trash"),
    faults=(lambda: Rewrite("UID SEARCH", argument=b"*", pattern=rb"^\* SEARCH.*", to=b"* SEARCH"),),
)
HMAILSERVER = Dialect(
    "hMailServer",
    "IMAP4 IMAP4rev1 CHILDREN IDLE QUOTA SORT ACL NAMESPACE RIGHTS=texk",
    "",
    delimiter=b".",
    delimiter_form=b'"."',
    namespaces=b'(("" ".")) NIL (("#Public" "."))',
    folders=(("Sent", ()), ("Trash", ()), ("#Public", ()), ("#Public.News", ())),
)
REV2 = Dialect("IMAP4rev2 only", "IMAP4rev2 ID", "SASL-IR AUTH=PLAIN", rev2=True)
