"""Which records an email names: pure functions of its participants and the known addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.emails import Match
from schemas.mail import Participant, Role
from schemas.records import RecordRef

Known = Mapping[str, Sequence[RecordRef]]
"""Records by normal address, old addresses of a record included."""
Matches = dict[RecordRef, tuple[Match, ...]]
"""Why an email is on each of its records; never an empty tuple."""


def ordered(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Return the matches without duplicates, in the order in which they are stored."""
    return tuple(sorted(set(matches), key=lambda match: (match.role, match.address, match.account or "")))


def address_matches(participants: Iterable[Participant], known: Known) -> Matches:
    """Return the records of participants, with one match per address and role."""
    found: dict[RecordRef, set[Match]] = {}
    for participant in participants:
        for record in known.get(participant.address, ()):
            found.setdefault(record, set()).add(Match(address=participant.address, role=participant.role))
    return {record: ordered(matches) for record, matches in found.items()}


def bcc_matches(account: str, bcc: Iterable[str], known: Known) -> Matches:
    """Return the records that one account's copy names in its Bcc. Only the owner of the account may know of them."""
    found: dict[RecordRef, set[Match]] = {}
    for address in bcc:
        for record in known.get(address, ()):
            found.setdefault(record, set()).add(Match(address=address, role=Role.BCC, account=account))
    return {record: ordered(matches) for record, matches in found.items()}


def merged(*parts: Matches) -> Matches:
    """Return the union of several results."""
    found: dict[RecordRef, list[Match]] = {}
    for part in parts:
        for record, matches in part.items():
            found.setdefault(record, []).extend(matches)
    return {record: ordered(matches) for record, matches in found.items()}
