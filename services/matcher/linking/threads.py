"""What a thread contributes to the links of an email, by ``schemas.threads``. Pure.

The result depends on the final set of emails and addresses only, not on the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.emails import Attestation, Match
from schemas.mail import Role
from schemas.records import RecordRef
from schemas.threads import ThreadClaims, ThreadLinks
from services.matcher.linking.matches import Matches, ordered

Ancestors = Mapping[str, Mapping[str, ThreadClaims]]
"""What stored emails claim, by their Message-ID and their key. Several may have one Message-ID, since it can be forged."""


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
