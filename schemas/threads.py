"""The rule of threads: which record an email that names none is about, in one holder's mailboxes. Pure.

The matcher links by this rule, and the poller fetches by it: what the rule does not open never leaves the mailbox.

For each holder by themselves, an email is about a record if it answers mail that this holder sent, and the mail it answers
there names exactly that one external record. Received mail never opens a thread, whatever Message-ID it carries, because
anyone can send mail. It can only end one, by naming another record.

A thread continues through mail that names no record only where the holder sent that mail, too. Whoever knows a Message-ID
could put received mail between two others; what the holder sent only the holder can put there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from schemas.emails import Link, Match
from schemas.mail import Participant, Role
from schemas.records import RecordRef

SENT_FOLDER = "sent"
"""The role of folders (RFC 6154) whose mail the account's owner sent."""
ALL_MAIL = "all"
SENT_LABEL = "\\Sent"
"""In Gmail's folder of all mail, the label of what was sent."""


class Claim(NamedTuple):
    """What an email says about its thread to one of its holders: that it is about a record."""

    address: str
    """One of the record's addresses."""
    sent: bool
    """Whether this holder sent the email. Only then does it open a thread."""


ThreadClaims = Mapping[str, Mapping[RecordRef, Claim]]
"""What an email says about its thread to each of its holders: the external records.

By holder, because what one user's mailbox says about a thread counts only for the mail in that user's mailboxes: users can
append whatever they like to their own mailbox, under any Message-ID.
"""
InternalAmong = Callable[[Iterable[str]], Collection[str]]
"""Returns which of some addresses are the company's own people."""


class ThreadLink(NamedTuple):
    """The one record that a thread is about, and the address by which the thread belongs to it."""

    record: RecordRef
    address: str


ThreadLinks = Mapping[str, ThreadLink]
"""For each holder of an email whose own mail says so, what its thread is about."""


def is_sender(participants: Iterable[Participant], own_addresses: Collection[str]) -> bool:
    """Whether an email is from one of an account's own addresses, and from no other."""
    senders = {person.address for person in participants if person.role is Role.FROM}
    return bool(senders) and senders.issubset(own_addresses)


def is_outgoing(role: str | None, labels: Collection[str]) -> bool:
    """Whether a copy in a folder with this role, and with these labels, lies where sent mail does."""
    return role == SENT_FOLDER or (role == ALL_MAIL and SENT_LABEL in labels)


def external_records(matches: Mapping[RecordRef, Iterable[Match]], internal: InternalAmong) -> dict[RecordRef, str]:
    """Return what the text of an email claims about its thread: each external record with one of its addresses.

    Leaves out Bcc matches, which only the owner of a copy may know (a thread link would show them to all), thread matches,
    which attestations stand for, and internal addresses: a thread is not about a colleague who is also a contact.
    """
    found: dict[RecordRef, str] = {}
    for record, reasons in matches.items():
        addresses = {match.address for match in reasons if match.role not in {Role.BCC, Role.THREAD}}
        if external := addresses.difference(internal(addresses)):
            found[record] = min(external)
    return found


def claims_of_links(links: Iterable[Link], internal: InternalAmong) -> ThreadClaims:
    """Return what a stored email claims: to all its holders what it names, and to its attesting senders what its thread says."""
    found: dict[str, dict[RecordRef, Claim]] = {}
    for link in links:
        named = external_records({link.record: link.matches}, internal)
        claims = [(owner, address) for address in named.values() for owner in link.owners]
        claims += [(one.owner, one.address) for one in link.attestations if one.owner in link.sent_by]
        for owner, address in claims:
            if owner in link.owners and not internal([address]):
                add_claim(found.setdefault(owner, {}), link.record, Claim(address, owner in link.sent_by))
    return found


def add_claim(claims: dict[RecordRef, Claim], record: RecordRef, claim: Claim) -> None:
    """Add a claim about a record to what is claimed already, in a way that the order makes no difference."""
    other = claims.get(record, claim)
    claims[record] = Claim(min(claim.address, other.address), claim.sent or other.sent)


def thread_links(ancestors: Iterable[ThreadClaims], holders: Iterable[str]) -> ThreadLinks:
    """Return the thread link for each holder: the one external record of the ancestors that this holder has, if they sent one."""
    claims, result = list(ancestors), dict[str, ThreadLink]()
    for holder in holders:
        found: dict[RecordRef, Claim] = {}
        for ancestor in claims:
            for record, claim in ancestor.get(holder, {}).items():
                add_claim(found, record, claim)
        if len(found) == 1:
            ((record, claim),) = found.items()
            if claim.sent:
                result[holder] = ThreadLink(record, claim.address)
    return result
