"""Which record the thread of an email is about: pure functions of what its ancestors say.

The result depends on the final set of emails and addresses only, not on the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from schemas.emails import Attestation, Link, Match
from schemas.mail import Role
from schemas.records import RecordRef
from services.matcher.linking.matches import Matches, ordered

ThreadClaims = Mapping[str, Mapping[RecordRef, str]]
"""What an email says about its thread to each of its holders: the external records, each with one of its addresses.

By holder, because what one user's mailbox says about a thread counts only for the mail in that user's mailboxes: users can
append whatever they like to their own mailbox, under any Message-ID.
"""
Ancestors = Mapping[str, Mapping[str, ThreadClaims]]
"""What stored emails claim, by their Message-ID and their key. Several may have one Message-ID, since it can be forged."""


InternalAmong = Callable[[Iterable[str]], Collection[str]]
"""Returns which of some addresses are the company's own people."""


class ThreadLink(NamedTuple):
    """The one record that a thread is about, and the address by which the thread belongs to it."""

    record: RecordRef
    address: str


ThreadLinks = Mapping[str, ThreadLink]
"""For each holder of an email whose own mail says so, what its thread is about."""


def external_records(matches: Matches, internal: InternalAmong) -> dict[RecordRef, str]:
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
    """Return what a stored email claims: to all its holders what it names, and to those who attest it what its thread says."""
    found: dict[str, dict[RecordRef, str]] = {}
    for link in links:
        named = external_records({link.record: link.matches}, internal)
        claims = [(owner, address) for address in named.values() for owner in link.owners]
        claims += [(one.owner, one.address) for one in link.attestations if one.owner in link.owners]
        for owner, address in claims:
            if not internal([address]):
                theirs = found.setdefault(owner, {})
                theirs[link.record] = min(address, theirs.get(link.record, address))
    return found


def thread_links(ancestors: Iterable[ThreadClaims], holders: Iterable[str]) -> ThreadLinks:
    """Return the thread link for each holder, if the ancestors that this holder has name exactly one external record."""
    claims, result = list(ancestors), dict[str, ThreadLink]()
    for holder in holders:
        found: dict[RecordRef, str] = {}
        for ancestor in claims:
            for record, address in ancestor.get(holder, {}).items():
                found[record] = min(address, found.get(record, address))
        if len(found) == 1:
            ((record, address),) = found.items()
            result[holder] = ThreadLink(record, address)
    return result


def thread_matches(threads: ThreadLinks) -> Matches:
    """Return the matches of an email that names no record: those of its thread, in any holder's mail."""
    found: dict[RecordRef, list[Match]] = {}
    for record, address in threads.values():
        found.setdefault(record, []).append(Match(address=address, role=Role.THREAD))
    return {record: ordered(matches) for record, matches in found.items()}


def attestations_of(threads: ThreadLinks, record: RecordRef) -> tuple[Attestation, ...]:
    """Return who attests that the thread is about a record, in the order in which attestations are stored."""
    return tuple(
        Attestation(owner=owner, address=thread.address)
        for owner, thread in sorted(threads.items())
        if thread.record == record
    )
