"""Which records an email is on, and why: pure functions of what the email names, the known addresses and its ancestors.

The result depends on the final set of emails and addresses only, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.emails import Attestation, Link, Match
from schemas.mail import Content, Participant, Role
from schemas.records import RecordRef

Known = Mapping[str, Sequence[RecordRef]]
"""Records by normal address, old addresses of a record included."""
Matches = dict[RecordRef, tuple[Match, ...]]
"""Why an email is on each of its records; never an empty tuple."""
Told = Mapping[str, Mapping[RecordRef, str]]
"""What an email tells each of its holders about its thread: the external records, with the address by which it is theirs.

By holder, because what one user's mailbox says of a thread counts for the mail in that user's mailboxes only: everybody may
append to his own whatever he likes, under any Message-ID.
"""
Vouched = Mapping[str, tuple[RecordRef, str]]
"""The one record of an email's thread, and the address by which it is, for each holder whose own mail says so."""


def ordered(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Return the matches without repetitions, in the one order in which they are stored."""
    return tuple(sorted(set(matches), key=lambda match: (match.role, match.address, match.account or "")))


def matches_of(participants: Iterable[Participant], known: Known) -> Matches:
    """Return the records of participants, with a match for each address and role."""
    found: dict[RecordRef, set[Match]] = {}
    for participant in participants:
        for record in known.get(participant.address, ()):
            found.setdefault(record, set()).add(Match(address=participant.address, role=participant.role))
    return {record: ordered(matches) for record, matches in found.items()}


def address_matches(content: Content, known: Known) -> Matches:
    """Return the records that the email itself names, with a match for each address and role."""
    return matches_of(content.participants, known)


def bcc_matches(account: str, bcc: Iterable[str], known: Known) -> Matches:
    """Return the records that one account's copy names in its Bcc: only that account's owner may know of them."""
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


def ancestor_ids(content: Content) -> tuple[str, ...]:
    """Return the Message-IDs that the email answers or refers to (RFC 5322 section 3.6.4), itself left out."""
    named = dict.fromkeys((content.in_reply_to, *content.references))
    return tuple(name for name in named if name and name != content.message_id)


def among_colleagues(participants: Iterable[Participant], own: Collection[str]) -> bool:
    """Whether everybody whom a mail names has a connected account.

    A thread's link is for a reply from, or to, an unknown address by the rule of sharing. What colleagues say to one another
    about a client, in the client's thread, is theirs.
    """
    return all(participant.address in own for participant in participants)


def passed_on(matches: Matches, own: Collection[str]) -> dict[RecordRef, str]:
    """Return what the text of an email says about its thread: each external record with the address by which it is.

    Left out are Bcc matches, which only the owner of a copy may know (a thread link would tell everybody), those of a
    thread, for which attestations stand, and addresses of connected accounts: a colleague who is also a contact is not
    whom the thread is about.
    """
    found: dict[RecordRef, str] = {}
    for record, reasons in matches.items():
        addresses = [
            match.address for match in reasons if match.role not in {Role.BCC, Role.THREAD} and match.address not in own
        ]
        if addresses:
            found[record] = min(addresses)
    return found


def told_by(links: Iterable[Link], own: Collection[str]) -> Told:
    """Return what a stored email tells its holders: all of them what it names, of its own thread those who vouch for it."""
    found: dict[str, dict[RecordRef, str]] = {}
    for link in links:
        named = passed_on({link.record: link.matches}, own)
        says = [(owner, address) for address in named.values() for owner in link.owners]
        says += [(one.owner, one.address) for one in link.attestations if one.owner in link.owners]
        for owner, address in says:
            if address not in own:
                theirs = found.setdefault(owner, {})
                theirs[link.record] = min(address, theirs.get(link.record, address))
    return found


def vouched(ancestors: Iterable[Told], holders: Iterable[str]) -> Vouched:
    """Return for each holder of an email the record of its thread, if the ancestors that he holds have exactly one external record."""
    told, result = list(ancestors), dict[str, tuple[RecordRef, str]]()
    for holder in holders:
        found: dict[RecordRef, str] = {}
        for ancestor in told:
            for record, address in ancestor.get(holder, {}).items():
                found[record] = min(address, found.get(record, address))
        if len(found) == 1:
            (result[holder],) = found.items()
    return result


def thread_matches(threads: Vouched) -> Matches:
    """Return the links of an email that names no record: those of its thread, in whosever mail."""
    found: dict[RecordRef, list[Match]] = {}
    for record, address in threads.values():
        found.setdefault(record, []).append(Match(address=address, role=Role.THREAD))
    return {record: ordered(matches) for record, matches in found.items()}


def attestations_of(threads: Vouched, record: RecordRef) -> tuple[Attestation, ...]:
    """Return who vouches for a record, in the one order in which it is stored."""
    return tuple(
        Attestation(owner=owner, address=address) for owner, (one, address) in sorted(threads.items()) if one == record
    )


class Threads:
    """Works out thread links of a set of emails that may be one another's ancestors.

    Args:
        named: the matches of each email of the set that its own text names, by key; empty for those that name none.
        contents: the emails of the set by key.
        stored: what stored emails outside the set tell, by Message-ID, one entry an email (a Message-ID may be forged).
        own: addresses of connected accounts.
        held: the holders of emails of the set; of one that is missing nobody's mail says anything.
    """

    def __init__(
        self,
        named: Mapping[str, Matches],
        contents: Mapping[str, Content],
        stored: Mapping[str, Sequence[Told]],
        own: Collection[str],
        held: Mapping[str, Collection[str]],
    ) -> None:
        self._named = named
        self._contents = contents
        self._stored = stored
        self._own = own
        self._held = held
        self._result: dict[str, Vouched] = {}
        self._by_id: dict[str, list[str]] = {}
        for key, content in contents.items():
            if content.message_id:
                self._by_id.setdefault(content.message_id, []).append(key)

    def of(self, key: str) -> Vouched:
        """Return the thread of an email of the set; empty when it names a record itself."""
        if self._named[key]:
            return {}
        self._resolve(key)
        return self._result[key]

    def _resolve(self, key: str) -> None:
        """Work out an email after its ancestors, without recursion: a chain is as long as a batch."""
        stack, entered = [key], set[str]()
        while stack:
            current = stack[-1]
            if current in self._result:
                stack.pop()
                continue
            entered.add(current)
            # An ancestor that was entered and has no result yet waits for us: a cycle, which only a forger makes.
            waiting = [other for other in self._open_ancestors(current) if other not in entered]
            if waiting:
                stack.extend(waiting)
                continue
            internal = among_colleagues(self._contents[current].participants, self._own)
            holders = () if internal else self._held.get(current, ())
            self._result[current] = vouched(self._inherited(current), holders)
            stack.pop()

    def _open_ancestors(self, key: str) -> list[str]:
        return [
            other
            for name in ancestor_ids(self._contents[key])
            for other in self._by_id.get(name, ())
            if not self._named[other] and other not in self._result
        ]

    def _inherited(self, key: str) -> Iterable[Told]:
        for name in ancestor_ids(self._contents[key]):
            yield from self._stored.get(name, ())
            for other in self._by_id.get(name, ()):
                yield self._told(other)

    def _told(self, key: str) -> Told:
        if self._named[key]:
            return dict.fromkeys(self._held.get(key, ()), passed_on(self._named[key], self._own))
        return {owner: {record: address} for owner, (record, address) in self._result.get(key, {}).items()}
