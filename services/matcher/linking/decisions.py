"""What to store for a batch of parsed mail, as a pure function of what the look-ups returned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypedDict

from schemas.ledger import DELETED_IN_CRM, RowState
from schemas.mail import Content
from schemas.messages import MailParsed
from services.matcher.linking.batch_threads import BatchThreads
from services.matcher.linking.matches import Known
from services.matcher.linking.rule import Facts, copy_links
from services.matcher.linking.threads import Ancestors
from services.store import LinkAddition, RowOutcome


@dataclass(frozen=True, kw_only=True)
class View(Facts):
    """What the look-ups for a batch returned. Equal views lead to equal decisions."""

    version: int = field(compare=False)
    """Of the index of known addresses, read before all else."""
    deleted: frozenset[str]
    """Keys of the batch that were deleted in the CRM."""
    held: Mapping[str, frozenset[str]]
    """The users who hold the emails whose threads matter, by the batch or otherwise; see ``thread_candidates``."""
    senders: Mapping[str, frozenset[str]]
    """Those of them who sent the email themselves."""

    def without(self, keys: Collection[str]) -> View:
        """Return the view without what some stored emails claim as ancestors."""
        ancestors = {
            name: others
            for name, emails in self.ancestors.items()
            if (others := {key: claims for key, claims in emails.items() if key not in keys})
        }
        return replace(self, ancestors=ancestors)


@dataclass(frozen=True)
class Decisions:
    """What to store for a batch."""

    attached: Mapping[str, Content]
    """Emails to store, by key."""
    by_thread: frozenset[str]
    """Keys of those whose text names no known address."""
    links: Sequence[LinkAddition]
    """One contribution for each copy and record."""
    rows: Sequence[RowOutcome]
    """The final state of each copy, once."""
    live: frozenset[str]
    """Keys of the batch that were decided about. What the store says of them as ancestors did not count."""
    dropped: frozenset[str]
    """Keys for which no copy of the batch is stored."""


class _Known(TypedDict):
    before: RowState | None
    publication: int | None


def unnamed(contents: Mapping[str, Content], known: Known) -> dict[str, Content]:
    """Return the emails that name no known address: their ancestors matter."""
    return {
        key: content
        for key, content in contents.items()
        if not any(participant.address in known for participant in content.participants)
    }


def thread_candidates(
    contents: Mapping[str, Content], strangers: Mapping[str, Content], ancestors: Ancestors
) -> frozenset[str]:
    """Return the emails whose holders matter: strangers that have an ancestor, and their ancestors in the batch."""
    by_id: dict[str, list[str]] = {}
    for key, content in contents.items() if strangers else ():
        if content.message_id:
            by_id.setdefault(content.message_id, []).append(key)
    found: set[str] = set()
    for key, content in strangers.items():
        inside = [other for name in content.ancestors for other in by_id.get(name, ())]
        if inside or any(name in ancestors for name in content.ancestors):
            found.update((key, *inside))
    return frozenset(found)


def decide(
    batch: Sequence[MailParsed],
    view: View,
    gone: frozenset[str] = frozenset(),
    states: Mapping[str, RowState | None] = MappingProxyType({}),
) -> Decisions:
    """Work out links and final states for a batch of copies.

    A copy may occur twice in the batch. Rows in ``gone``, whose copy is gone by now, get nothing. ``states`` are the final
    states that rows have.
    """
    contents = {mail.content.key: mail.content for mail in batch}
    copies = {
        mail.source.id: mail for mail in batch if mail.source.account in view.accounts and mail.source.id not in gone
    }
    held = {mail.content.key for mail in copies.values()}
    live = {key: contents[key] for key in contents if key in held and key not in view.deleted}
    view = view.without(live)
    threads = BatchThreads(live, view.held, view.senders, view)
    attached: dict[str, Content] = {}
    links: list[LinkAddition] = []
    rows: list[RowOutcome] = []
    for row, mail in copies.items():
        content = mail.content
        known = _Known(before=states.get(row), publication=mail.publication)
        if content.key in view.deleted:
            rows.append(RowOutcome(row, RowState.SKIPPED, DELETED_IN_CRM, **known))
            continue
        additions = copy_links(content, threads.of(content.key), mail.source.account, row, view, bcc=mail.bcc)
        if not additions:
            rows.append(RowOutcome(row, RowState.UNMATCHED, **known))
            continue
        rows.append(
            RowOutcome(
                row,
                RowState.ATTACHED,
                email=content.key,
                bcc=mail.bcc,
                head=mail.head,
                body=mail.body,
                defects=content.marks.defects,
                **known,
            )
        )
        attached[content.key] = content
        links.extend(additions)
    return Decisions(
        attached=attached,
        by_thread=frozenset(key for key in attached if not threads.of(key).named),
        links=links,
        rows=rows,
        live=frozenset(live),
        dropped=frozenset(contents) - frozenset(attached),
    )
