"""Keys: every effect is an upsert on one of these, so that doing it twice changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from datetime import datetime

RECIPE = 2
"""Version of the email key's recipe. A change of the recipe is a new number. Recipe 1 left out To, Cc and ``shown``."""

MARK_BYTES = 16


def folder_id(name: bytes) -> str:
    """Return the id of a folder within its account from the raw bytes of its name as the server sent it."""
    return hashlib.sha256(name).hexdigest()[:12]


def copy_id(account: str, folder: str, uidvalidity: int, uid: int) -> str:
    """Return the id of one message in one folder of one account; ids of one folder sort by uid (RFC 3501: both are 32-bit)."""
    return f"{account}.{folder}.{uidvalidity:010d}.{uid:010d}"


def copies_of_folder(
    account: str, folder: str, uidvalidity: int, first: int = 0, last: int = 4294967295
) -> tuple[str, str]:
    """Return the lowest and the highest copy id of a range of uids of a folder, both included."""
    return copy_id(account, folder, uidvalidity, first), copy_id(account, folder, uidvalidity, last)


def email_key(
    *,
    message_id: str | None,
    date: datetime | None,
    senders: Iterable[str],
    to: Iterable[str],
    cc: Iterable[str],
    subject: str,
    leaves: Iterable[bytes],
    account: str,
    shown: bytes = b"",
    recipe: int = RECIPE,
) -> str:
    """Return the key of an email: the same for every copy of it, in whichever account or folder.

    Args:
        message_id: normalised Message-ID without angle brackets, or None.
        date: the Date header, or None when there is no readable one.
        senders: normal addresses of From.
        to: normal addresses of To.
        cc: normal addresses of Cc.
        subject: the decoded subject.
        leaves: SHA-256 digests of the decoded leaf parts, in order of the tree.
        account: used only when there is no Message-ID: such a mail is one within its account only.
        shown: what else a reader is shown of the mail, such as display names, Reply-To and the names of files.
        recipe: 1 for the key that version 0.1 gave the email.

    Whatever a reader is shown is the same in all copies of an email: copies that differ in it are other emails, so that no
    viewer of one learns what only the other says. Trace headers (Received, Delivered-To, Bcc ...) are left out: they
    differ from copy to copy.
    """
    recipients = ((b"to", to), (b"cc", cc)) if recipe > 1 else ()
    facts = [
        (b"account", account.encode()) if message_id is None else (b"id", message_id.encode("utf-8", "surrogatepass")),
        (b"date", b"" if date is None else str(int(date.timestamp())).encode()),
        *(
            (tag, address.encode())
            for tag, addresses in ((b"from", senders), *recipients)
            for address in sorted(set(addresses))
        ),
        (b"subject", unicodedata.normalize("NFC", subject).encode("utf-8", "surrogatepass")),
        *((b"leaf", leaf) for leaf in leaves),
    ]
    if recipe > 1:
        facts.append((b"shown", shown))
    joined = b"".join([b"%b%b%b" % (tag, len(value).to_bytes(8, "big"), value) for tag, value in facts])
    return f"v{recipe}-{hashlib.sha256(joined).hexdigest()[:40]}"


def link_id(kind: str, record: str, email: str) -> str:
    """Return the id of the link of an email on a record."""
    return f"{kind}:{record}/{email}"


def thread_id(*, message_id: str | None, in_reply_to: str | None, references: Iterable[str], key: str) -> str:
    """Return the digest of the oldest Message-ID that a mail names, or of its own (RFC 5322 section 3.6.4)."""
    return _id_digest(next(iter(references), None) or in_reply_to or message_id or key)


def thread_ids(thread: str, named: Iterable[str | None], bounced: str | None = None) -> tuple[str, ...]:
    """Return the digests of the Message-IDs that a mail names, its own included, after its ``thread_id``.

    Mails that share one of them are in one thread. A bounce also has those of the mail that it is about, ``failure_id`` last.
    """
    about = (_id_digest(bounced), failure_id(bounced)) if bounced else ()
    return tuple(dict.fromkeys((thread, *(_id_digest(one) for one in named if one), *about)))


def failure_id(message_id: str) -> str:
    """Return the id that finds the bounces of a mail without the answers to it."""
    return _id_digest(f"failure\0{message_id}")


def _id_digest(message_id: str) -> str:
    return hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def notification_id(account: str, epoch: int, domain: str) -> str:
    """Return the Message-ID of the confirmation of an epoch: the same whenever it is sent again (RFC 5322 section 3.6.4)."""
    return f"<sync.{account}.{epoch}@{domain}>"


def address_hash(key: bytes, address: str) -> bytes:
    """Return the keyed hash of a normal address: 16 bytes that only this deployment can make."""
    return hmac.digest(key, b"address\0" + address.encode("utf-8", "surrogatepass"), "sha256")[:MARK_BYTES]


def message_id_hash(key: bytes, message_id: str) -> bytes:
    """Return the keyed hash of a Message-ID."""
    return hmac.digest(key, b"thread\0" + message_id.encode("utf-8", "surrogatepass"), "sha256")[:MARK_BYTES]


def header_hash(key: bytes, headers: bytes) -> bytes:
    """Return the keyed hash of a whole header block: tells a moved mail from a new one without fetching its body."""
    return hmac.digest(key, b"headers\0" + headers, "sha256")[:MARK_BYTES]


_TEAM = "team:"
"""No address begins so: it has an ``@``."""


def team_of(account: str) -> str:
    """Return the owner of a shared mailbox, by its account's id: a team, whose members change while its mail stays where it is."""
    return f"{_TEAM}{account}"


def is_team(owner: str) -> bool:
    """Whether an owner is a team, and not a user's address."""
    return owner.startswith(_TEAM) and "@" not in owner
