"""The IMAP commands in use, blocking, on a ``MailClient``. ``ImapSession`` runs them in threads.

Everything is read from imaplib's raw answers (see ``answers``). Folder names go out exactly as they came in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from services.mailbox.imap import answers
from services.mailbox.imap.answers import MAX_UID, BodyPart, Fetched, Listed, Namespace, UidRanges, responses
from services.mailbox.imap.protocol import MAX_LITERALS, MailClient

HEADER_PIECE = 32 * 1024
"""Bytes of each header that are fetched at first; hardly any is longer."""
HEADER_ITEMS = f"UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER]<0.{HEADER_PIECE}>"
_UID = re.compile(rb"[( ]UID[ \t]++([^\s()]++)", re.IGNORECASE)
PIECE_LITERALS = 2 * 1024 * 1024
"""Bytes that come at most where a piece of a mail is asked for."""
STATUS_ITEMS = "MESSAGES UIDNEXT UIDVALIDITY"


def _status_items(modseq: bool) -> bytes:
    """Return what STATUS is asked for. Without modification sequences, UNSEEN tells of mail that was read."""
    return f"({STATUS_ITEMS} {'HIGHESTMODSEQ' if modseq else 'UNSEEN'})".encode()


_NOTIFY = (
    b"SET (SELECTED (MessageNew MessageExpunge FlagChange))"
    b" (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))"
)


class Selected(NamedTuple):
    """What a server reports when a folder is opened."""

    exists: int
    uidvalidity: int
    uidnext: int
    """0 if the server leaves it out."""
    highestmodseq: int | None


def enable_qresync(client: MailClient) -> bool:
    """Enable QRESYNC, which implies CONDSTORE (RFC 7162 section 3.2.3). Returns whether the server did."""
    return b"QRESYNC" in [name.upper() for name in client.enable("QRESYNC")]


def namespace(client: MailClient) -> list[Namespace]:
    """NAMESPACE (RFC 2342): which folders are the user's own."""
    return answers.namespaces(client.command("NAMESPACE", own=("NAMESPACE",)).pop("NAMESPACE", []))


def list_plain(client: MailClient) -> list[Listed]:
    """LIST as every server supports it."""
    return answers.listed(client.command("LIST", b'""', b'"*"', own=("LIST",)).pop("LIST", []))


def list_inbox(client: MailClient) -> list[Listed]:
    """LIST of INBOX alone."""
    return answers.listed(client.command("LIST", b'""', b"INBOX", own=("LIST",)).pop("LIST", []))


def list_extended(
    client: MailClient, marks: bool, status: bool, modseq: bool
) -> tuple[list[Listed], dict[bytes, dict[str, int]]]:
    """LIST with SPECIAL-USE (RFC 6154) and STATUS (RFC 5819) in one answer, as far as the server has them.

    Without the STATUS if it cannot be used: the folders can be asked one by one.
    """
    wanted = [*([b"SPECIAL-USE"] if marks else []), *([b"STATUS " + _status_items(modseq)] if status else [])]
    options = b"(" + b" ".join(wanted) + b")"
    found = client.command("LIST", b'""', b'"*"', b"RETURN", options, own=("LIST", "STATUS"))
    reported = found.pop("STATUS", [])
    listed = answers.listed(found.pop("LIST", []))
    try:
        return listed, answers.statuses(reported)
    except answers.AnswerError:
        return listed, {}


def status(client: MailClient, folder: bytes, modseq: bool) -> dict[str, int]:
    """STATUS of one folder. What the server has reported of others stays for ``unsolicited``."""
    kept = client.protocol.untagged_responses
    reported = kept.pop("STATUS", [])
    try:
        found = client.command("STATUS", _astring(folder), _status_items(modseq), own=("STATUS",)).pop("STATUS", [])
        by_name = answers.statuses(found)
        if len(by_name) > 1:
            reported += found
    finally:
        if reported:
            kept["STATUS"] = reported
    return by_name.get(answers.canonical(folder)) or next(iter(by_name.values()), {})


def examine(client: MailClient, folder: bytes, condstore: bool) -> Selected:
    """EXAMINE, with CONDSTORE where offered (RFC 7162 section 3.1.8)."""
    protocol = client.protocol
    protocol.is_readonly = True
    _forget_all_but_notices(client)
    found = client.command("EXAMINE", _astring(folder), *([b"(CONDSTORE)"] if condstore else []))
    protocol.state = "SELECTED"
    exists = answers.number(found.get("EXISTS", []), MAX_UID) or 0
    uidnext = answers.number(found.get("UIDNEXT", []), MAX_UID + 1, "uidnext") or 0
    validity = answers.number(found.get("UIDVALIDITY", []), MAX_UID)
    modseq = answers.number(found.get("HIGHESTMODSEQ", []))
    _forget_all_but_notices(client)
    return Selected(exists, validity or 0, uidnext, modseq or None)


def _forget_all_but_notices(client: MailClient) -> None:
    """Forget what concerns the open folder. What concerns others came unasked (NOTIFY), and Cyrus sends it with any answer."""
    kept = client.protocol.untagged_responses
    for kind in kept.keys() - {"LIST", "STATUS"}:
        del kept[kind]


def search(client: MailClient, uids: str) -> list[int]:
    """UID SEARCH UID: which of these exist."""
    return answers.searched(client.uid_command("SEARCH", "UID", uids), answers.asked_ranges(uids))


def unread(client: MailClient, uids: str) -> list[int]:
    """UID SEARCH: which of these were not read."""
    return answers.searched(client.uid_command("SEARCH", "UID", uids, "UNSEEN"), answers.asked_ranges(uids))


def uid_of(client: MailClient, number: int) -> list[int]:
    """UID SEARCH: the uid of a message by its number."""
    return answers.searched(client.uid_command("SEARCH", str(number)))


def present(client: MailClient, uids: str) -> list[int]:
    """UID FETCH (UID): which of these exist. Shares nothing with ``search``, so that each can prove the other."""
    found: set[int] = set()
    kept = client.protocol.untagged_responses
    earlier = "FETCH" in kept
    for line, _ in responses(client.uid_command("FETCH", uids, "(UID)")):
        found.update(answers.uid(match[1]) for match in _UID.finditer(line))
        earlier = earlier or b"FLAGS" in line.upper()
    if earlier:  # flags that came unasked are an event
        kept["FETCH"] = [b"0 (FLAGS ())"]
    return sorted(found)


def headers(client: MailClient, uids: str, gmail: bool) -> list[Fetched]:
    """Header blocks, of long ones the beginning, and what the ledger keeps of each copy."""
    items = f"({HEADER_ITEMS} X-GM-LABELS)" if gmail else f"({HEADER_ITEMS})"
    found = [message for message in _fetch(client, uids, items) if message.header is not None]
    for message in found:
        message.header_cut = len(message.header or b"") == HEADER_PIECE
    return sorted(found, key=lambda message: message.uid)


def header_part(client: MailClient, uid: int, offset: int, size: int) -> bytes | None:
    """A piece of one header, empty past its end; None when the server does not return it."""
    found = _fetch(client, str(uid), f"(UID BODY.PEEK[HEADER]<{offset}.{size}>)", PIECE_LITERALS)
    return next((message.header for message in found if message.uid == uid), None)


def bodies(client: MailClient, uids: Sequence[int]) -> dict[int, bytes]:
    """Whole mails. ``BODY.PEEK[]`` sets no flag, and iCloud's RFC822 comes without a body. Nothing at all is no mail."""
    found = _fetch(client, answers.uid_set(uids), "(UID BODY.PEEK[])")
    return {message.uid: message.body for message in found if message.body}


def part(client: MailClient, uid: int, offset: int, size: int) -> bytes:
    """A piece of one mail (RFC 3501 section 6.4.5, partial); empty past its end."""
    found = _fetch(client, str(uid), f"(UID BODY.PEEK[]<{offset}.{size}>)", PIECE_LITERALS)
    return next((message.body for message in found if message.uid == uid and message.body is not None), b"")


def structures(client: MailClient, uids: Sequence[int]) -> dict[int, tuple[BodyPart, ...]]:
    """The parts of messages (RFC 3501 section 7.4.2), with their types and encodings. Nothing of what is in them."""
    found = _fetch(client, answers.uid_set(uids), "(UID BODYSTRUCTURE)", PIECE_LITERALS)
    return {message.uid: message.structure for message in found}


def sections(client: MailClient, uids: Sequence[int], wanted: Sequence[tuple[str, int]]) -> dict[int, dict[str, bytes]]:
    """The beginnings of parts, by their sections, each with the bytes that are asked for at most."""
    items = " ".join(f"BODY.PEEK[{section}]<0.{size}>" for section, size in wanted)
    found = _fetch(client, answers.uid_set(uids), f"(UID {items})", PIECE_LITERALS)
    most = dict(wanted)
    return {
        message.uid: {section: data[: most[section]] for section, data in message.sections if section in most}
        for message in found
    }


def flags(
    client: MailClient, uids: str, since: int | None, vanished: bool, gmail: bool
) -> tuple[list[Fetched], UidRanges]:
    """Flags, all or changed since a modification sequence; with QRESYNC also the uids expunged since then."""
    items = "(UID FLAGS X-GM-LABELS)" if gmail else "(UID FLAGS)"
    modifier = [] if since is None else [f"(CHANGEDSINCE {since}{' VANISHED' if vanished else ''})"]
    found = answers.fetched(client.uid_command("FETCH", uids, items, *modifier))
    changed = [message for message in found if message.flags is not None]
    if not vanished or since is None:
        return changed, []
    return changed, answers.uid_ranges(client.protocol.untagged_responses.pop("VANISHED", []))


def noop(client: MailClient) -> None:
    """NOOP. What the server reports stays for ``unsolicited``."""
    client.noop()


def notify(client: MailClient) -> None:
    """NOTIFY SET (RFC 5465) for the open folder and all of the user's own folders."""
    client.command("NOTIFY", _NOTIFY)


def idle(client: MailClient) -> list[bytes]:
    """Enter IDLE (RFC 2177); returns the lines that came before the server's ``+``."""
    return client.protocol.enter_idle()


def idle_done(client: MailClient) -> list[bytes]:
    """Leave IDLE; returns the lines that came before the tagged answer."""
    return client.protocol.leave_idle()


def unsolicited(client: MailClient) -> list[bytes]:
    """Return and forget what came beside answers, as lines like those of IDLE. Sends nothing."""
    kept = client.protocol.untagged_responses
    lines = [
        b"* " + line + b" " + kind.encode() for kind in ("EXISTS", "EXPUNGE") for line in kept.pop(kind, []) if line
    ]
    for kind in ("VANISHED", "FETCH", "STATUS", "LIST"):
        lines += [b"* " + kind.encode() + b" " + line for line, _ in responses(kept.pop(kind, []))]
    return lines


def _fetch(client: MailClient, uids: str, items: str, literals: int = MAX_LITERALS) -> list[Fetched]:
    """FETCH header blocks, bodies or parts of at most ``literals`` bytes. Flags that come unasked are kept as an event."""
    kept = client.protocol.untagged_responses
    earlier = "FETCH" in kept
    found = answers.fetched(client.uid_command("FETCH", uids, items, literals=literals))
    requested = [
        message
        for message in found
        if message.header is not None or message.body is not None or message.structure or message.sections
    ]
    if earlier or len(requested) < len(found):
        kept["FETCH"] = [b"0 (FLAGS ())"]
    return requested


def _astring(name: bytes) -> bytes:
    """Return a raw folder name as an argument: quoted, or (8-bit) as it is, to travel as a literal."""
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"' if name.isascii() else name
