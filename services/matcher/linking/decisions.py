"""What becomes of a batch of parsed mail, as a pure function of what the look-ups said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.ledger import RowState
from schemas.mail import Content
from schemas.messages import MailParsed
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy
from services.matcher.linking.grants import Holder, shares_link
from services.matcher.linking.linking import (
    Known,
    Matches,
    Threads,
    Told,
    Vouched,
    address_matches,
    ancestor_ids,
    attestations_of,
    bcc_matches,
    merged,
    thread_matches,
)
from services.store import Final, LinkAddition

DELETED_IN_CRM = "deleted-in-crm"

Ancestors = Mapping[str, Mapping[str, Told]]
"""What stored emails tell, by their Message-ID and their key (a Message-ID may be forged, so several may have one)."""


@dataclass(frozen=True)
class View:
    """What the look-ups for a batch said. Two equal views lead to equal decisions."""

    version: int = field(compare=False)
    """Of the index of known addresses, read before them."""
    known: Known
    company: CompanyPolicy
    holders: Mapping[str, Holder]
    """The accounts of the batch; one that was removed is missing."""
    deleted: frozenset[str] = frozenset()
    """Keys of the batch that were deleted in the CRM."""
    ancestors: Ancestors = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    """Those of the addresses in question that belong to connected accounts."""
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The holders, those of the batch and others, of emails that are in question as a thread's; see `threaded`."""

    def apart_from(self, keys: Collection[str]) -> View:
        """Return the view without what the store says of some emails as ancestors."""
        ancestors = {
            name: others
            for name, emails in self.ancestors.items()
            if (others := {key: told for key, told in emails.items() if key not in keys})
        }
        return replace(self, ancestors=ancestors)


@dataclass(frozen=True)
class Decisions:
    """What to store for a batch."""

    attached: Mapping[str, Content]
    """Emails to store, by key."""
    by_thread: frozenset[str]
    """Keys of those that name no known address in their text."""
    links: Sequence[LinkAddition]
    """A contribution for each copy and record."""
    rows: Sequence[Final]
    """The final state of each copy, once."""
    live: frozenset[str]
    """Keys of the batch that were decided about: what the store says of them as ancestors did not count."""
    dropped: frozenset[str]
    """Keys of which no copy of the batch is stored."""


def searching(contents: Mapping[str, Content], known: Known) -> dict[str, Content]:
    """Return the emails that name no known address: those whose ancestors matter."""
    return {
        key: content
        for key, content in contents.items()
        if not any(participant.address in known for participant in content.participants)
    }


def threaded(contents: Mapping[str, Content], strangers: Mapping[str, Content], ancestors: Ancestors) -> frozenset[str]:
    """Return the emails whose holders matter: those that name nobody known and have an ancestor, and such ancestors in the batch."""
    by_id: dict[str, list[str]] = {}
    for key, content in contents.items() if strangers else ():
        if content.message_id:
            by_id.setdefault(content.message_id, []).append(key)
    found: set[str] = set()
    for key, content in strangers.items():
        names = ancestor_ids(content)
        inside = [other for name in names for other in by_id.get(name, ())]
        if inside or any(name in ancestors for name in names):
            found.update((key, *inside))
    return frozenset(found)


def decide(batch: Sequence[MailParsed], view: View, gone: frozenset[str] = frozenset()) -> Decisions:
    """Work out links and final states of a batch of copies.

    Args:
        batch: the copies; one may be there twice.
        view: what the look-ups said.
        gone: rows whose copy is gone by now; they get nothing.
    """
    contents = {mail.content.key: mail.content for mail in batch}
    copies = {
        mail.source.id: mail for mail in batch if mail.source.account in view.holders and mail.source.id not in gone
    }
    held = {mail.content.key for mail in copies.values()}
    live = {key: contents[key] for key in contents if key in held and key not in view.deleted}
    named = {key: address_matches(content, view.known) for key, content in live.items()}
    ancestors = view.apart_from(live).ancestors
    stored = {name: list(emails.values()) for name, emails in ancestors.items()}
    threads = Threads(named, live, stored, view.own, view.held)
    vouched = {key: threads.of(key) for key in live}
    text = {key: named[key] or thread_matches(vouched[key]) for key in live}
    people = {key: frozenset(person.address for person in content.participants) for key, content in live.items()}
    attached: dict[str, Content] = {}
    links: list[LinkAddition] = []
    rows: list[Final] = []
    for row, mail in copies.items():
        key = mail.content.key
        if key in view.deleted:
            rows.append(Final(row, RowState.SKIPPED, DELETED_IN_CRM))
            continue
        matches = text[key]
        if mail.bcc:
            matches = merged(matches, bcc_matches(mail.source.account, mail.bcc, view.known))
        if not matches:
            rows.append(Final(row, RowState.UNMATCHED))
            continue
        rows.append(Final(row, RowState.ATTACHED, email=key, bcc=mail.bcc))
        attached[key] = mail.content
        links.extend(_additions(mail, matches, vouched[key], people[key], view))
    return Decisions(
        attached=attached,
        by_thread=frozenset(key for key in attached if not named[key]),
        links=links,
        rows=rows,
        live=frozenset(live),
        dropped=frozenset(contents) - frozenset(attached),
    )


def _additions(
    mail: MailParsed, matches: Matches, vouched: Vouched, people: frozenset[str], view: View
) -> Iterable[LinkAddition]:
    holder = view.holders[mail.source.account]._replace(bcc=mail.bcc)
    for record, reasons in matches.items():
        yield LinkAddition(
            email=mail.content.key,
            record=record,
            sent_at=mail.content.sent_at,
            thread=mail.content.thread,
            matches=reasons,
            owner=holder.owner,
            shared=holder.account if shares_link(holder, view.company, reasons, people) else None,
            attestations=attestations_of(vouched, record) if vouched else (),
        )


def records_of(links: Iterable[LinkAddition]) -> frozenset[RecordRef]:
    """Return the records that links are on."""
    return frozenset(link.record for link in links)
