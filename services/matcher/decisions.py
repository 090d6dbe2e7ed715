"""What becomes of a batch of parsed mail, as a pure function of what the look-ups said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from schemas.accounts import Account
from schemas.emails import Match
from schemas.identity import link_id
from schemas.ledger import RowState
from schemas.mail import Content
from schemas.messages import MailParsed
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy
from services.matcher.grants import Grants, Holder, grants
from services.matcher.linking import Known, Matches, Threads, address_matches, bcc_matches, merged

DELETED_IN_CRM = "deleted-in-crm"


class Stored(NamedTuple):
    """An email in the store that an email of the batch answers or refers to."""

    key: str
    message_id: str
    matches: Mapping[RecordRef, tuple[Match, ...]]


@dataclass(frozen=True)
class View:
    """What the look-ups for a batch said. Two equal views lead to equal decisions."""

    version: int
    """Of the index of known addresses, read before them."""
    known: Known
    company: CompanyPolicy
    accounts: Mapping[str, Account]
    """Those of the batch; one that was removed is missing."""
    deleted: frozenset[str] = frozenset()
    """Keys of the batch that were deleted in the CRM."""
    gone: frozenset[str] = frozenset()
    """Ledger rows of the batch whose copy is gone already, or that are no longer there."""
    ancestors: tuple[Stored, ...] = ()
    """Ordered by key."""
    own: frozenset[str] = frozenset()
    """Those of the addresses in the ancestors' matches and in the batch that belong to connected accounts."""


class LinkDecision(NamedTuple):
    """An email on a record, as the batch's copies say."""

    id: str
    key: str
    record: RecordRef
    matches: tuple[Match, ...]
    flags: Grants


class RowDecision(NamedTuple):
    """The final state of a copy."""

    id: str
    state: RowState
    reason: str | None = None
    email: str | None = None
    bcc: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decisions:
    """What to store for a batch."""

    contents: Mapping[str, Content]
    """By key, all of the batch."""
    by_thread: frozenset[str]
    """Keys that name no known address in their text."""
    links: tuple[LinkDecision, ...] = ()
    rows: tuple[RowDecision, ...] = ()
    attached: frozenset[str] = field(default=frozenset())
    """Keys to store."""

    @cached_property
    def dropped(self) -> frozenset[str]:
        """Keys of which nothing of the batch is stored."""
        return frozenset(self.contents) - self.attached


def searching(contents: Mapping[str, Content], known: Known) -> dict[str, Content]:
    """Return the emails that name no known address: those whose ancestors matter."""
    return {key: content for key, content in contents.items() if not address_matches(content, known)}


def decide(batch: Sequence[MailParsed], view: View) -> Decisions:
    """Work out links and final states of a batch of copies."""
    contents = {mail.content.key: mail.content for mail in batch}
    held: dict[str, list[MailParsed]] = {}
    for mail in batch:
        if mail.source.account in view.accounts and mail.source.id not in view.gone:
            held.setdefault(mail.content.key, []).append(mail)
    live = {key: content for key, content in contents.items() if key in held and key not in view.deleted}
    named = {key: address_matches(content, view.known) for key, content in live.items()}
    threads = Threads(named, live, _by_message_id(view.ancestors, live), view.own)
    links: list[LinkDecision] = []
    rows: list[RowDecision] = []
    attached: set[str] = set()
    for key, content in live.items():
        own_text = named[key] or threads.of(key)
        extra = {mail.source.id: _bcc(mail, view.known) for mail in held[key]}
        keep = [mail for mail in held[key] if own_text or extra[mail.source.id]]
        rows.extend(_row(mail, attached=bool(own_text or extra[mail.source.id])) for mail in held[key])
        if keep:
            attached.add(key)
            links.extend(_links(content, merged(own_text, *extra.values()), keep, view))
    rows.extend(
        RowDecision(mail.source.id, RowState.SKIPPED, DELETED_IN_CRM)
        for key, mails in held.items()
        if key in view.deleted
        for mail in mails
    )
    return Decisions(
        contents=contents,
        by_thread=frozenset(key for key, matches in named.items() if not matches),
        links=tuple(links),
        rows=tuple(rows),
        attached=frozenset(attached),
    )


def _bcc(mail: MailParsed, known: Known) -> Matches:
    return bcc_matches(mail.source.account, mail.bcc, known)


def _row(mail: MailParsed, *, attached: bool) -> RowDecision:
    if not attached:
        return RowDecision(mail.source.id, RowState.UNMATCHED)
    return RowDecision(mail.source.id, RowState.ATTACHED, email=mail.content.key, bcc=mail.bcc)


def _links(content: Content, matches: Matches, keep: Iterable[MailParsed], view: View) -> Iterable[LinkDecision]:
    holders = [Holder.of(view.accounts[mail.source.account], mail.bcc) for mail in keep]
    participants = frozenset(participant.address for participant in content.participants)
    for record, reasons in matches.items():
        yield LinkDecision(
            id=link_id(record.kind, record.id, content.key),
            key=content.key,
            record=record,
            matches=reasons,
            flags=grants(holders, view.company, reasons, participants),
        )


def _by_message_id(ancestors: Iterable[Stored], batch: Mapping[str, Content]) -> dict[str, list[Matches]]:
    """Return what is stored by Message-ID; emails of the batch itself are worked out anew."""
    found: dict[str, list[Matches]] = {}
    for stored in ancestors:
        if stored.key not in batch:
            found.setdefault(stored.message_id, []).append(dict(stored.matches))
    return found
