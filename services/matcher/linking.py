"""Which records an email is on, and why: pure functions of what the email names, the known addresses and its ancestors.

The result depends on the final set of emails and addresses only, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.emails import Match
from schemas.mail import Content, Participant, Role
from schemas.records import RecordRef

Known = Mapping[str, Sequence[RecordRef]]
"""Records by normal address, old addresses of a record included."""
Matches = dict[RecordRef, tuple[Match, ...]]
"""Why an email is on each of its records; never an empty tuple."""


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
    """Return what an ancestor's links say about its thread: each external record with the address by which it is.

    Left out are Bcc matches, which only the owner of a copy may know (a thread link would tell everybody), and
    addresses of connected accounts: a colleague who is also a contact is not whom the thread is about.
    """
    found: dict[RecordRef, str] = {}
    for record, reasons in matches.items():
        addresses = [match.address for match in reasons if match.role is not Role.BCC and match.address not in own]
        if addresses:
            found[record] = min(addresses)
    return found


def thread_match(ancestors: Iterable[Mapping[RecordRef, str]]) -> Matches:
    """Return the link of an email that names no record: that of its thread, if the thread has exactly one external record.

    Args:
        ancestors: for each stored ancestor what it passes on, see `passed_on`.
    """
    found: dict[RecordRef, str] = {}
    for ancestor in ancestors:
        for record, address in ancestor.items():
            found[record] = min(address, found.get(record, address))
    if len(found) != 1:
        return {}
    ((record, address),) = found.items()
    return {record: (Match(address=address, role=Role.THREAD),)}


class Threads:
    """Works out thread links of a set of emails that may be one another's ancestors.

    Args:
        named: the matches of each email of the set that its own text names, by key; empty for those that name none.
        contents: the emails of the set by key.
        stored: the matches of stored emails outside the set, by Message-ID, one entry an email (a Message-ID may be forged).
        own: addresses of connected accounts.
    """

    def __init__(
        self,
        named: Mapping[str, Matches],
        contents: Mapping[str, Content],
        stored: Mapping[str, Sequence[Matches]],
        own: Collection[str],
    ) -> None:
        self._named = named
        self._contents = contents
        self._stored = stored
        self._own = own
        self._result: dict[str, Matches] = {}
        self._by_id: dict[str, list[str]] = {}
        for key, content in contents.items():
            if content.message_id:
                self._by_id.setdefault(content.message_id, []).append(key)

    def of(self, key: str) -> Matches:
        """Return the thread link of an email of the set; empty when it names a record itself."""
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
            self._result[current] = {} if internal else thread_match(self._inherited(current))
            stack.pop()

    def _open_ancestors(self, key: str) -> list[str]:
        return [
            other
            for name in ancestor_ids(self._contents[key])
            for other in self._by_id.get(name, ())
            if not self._named[other] and other not in self._result
        ]

    def _inherited(self, key: str) -> Iterable[Mapping[RecordRef, str]]:
        for name in ancestor_ids(self._contents[key]):
            for matches in self._stored.get(name, ()):
                yield passed_on(matches, self._own)
            for other in self._by_id.get(name, ()):
                yield passed_on(self._named[other] or self._result.get(other, {}), self._own)
