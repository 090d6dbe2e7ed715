"""A store with accounts, a CRM and mail, on which the tests call the matcher's handlers as the stage does."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Account
from schemas.identity import copy_id
from schemas.ledger import RowState
from schemas.mail import Content, Participant, Role
from schemas.messages import Copy, Event, Lane, MailboxChanged, MailParsed, RecordChanged
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.amqp import Delivery
from services.matcher import handler, mailbox_changed, record_changed
from services.matcher.linking.summaries import SummaryKeeper
from services.parser.content.parse import parse_mail
from services.store import Store, email_ref
from services.store.core.documents import now
from tests.factories import INBOX, SENT, sent_folder
from tests.factories import account as account_of
from tests.factories import folder as inbox_of
from tests.matcher.reference import Truth, reference, snapshot_of

START = datetime(2026, 1, 1, tzinfo=UTC)
NO_GRACE = timedelta(seconds=-1)


def mail(
    name: str, sender: str, *to: str, cc: Iterable[str] = (), answers: str | None = None, **fields: Any
) -> Content:
    """Return the content of a mail. Its Message-ID is ``<name>@mail``; ``answers`` names the mail that it answers."""
    people = [Participant(address=sender, role=Role.FROM)]
    people += [Participant(address=one, role=Role.TO) for one in to] + [
        Participant(address=one, role=Role.CC) for one in cc
    ]
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Content(
        **{
            "key": f"v1-{digest[:40]}",
            "message_id": f"{name}@mail",
            "in_reply_to": f"{answers}@mail" if answers else None,
            "thread": "t" * 24,
            "subject": f"Subject {name}",
            "snippet": f"Snippet {name}",
            "text": f"Text {name}",
            "sent_at": START + timedelta(minutes=int(digest[:4], 16)),
            "participants": tuple(people),
            "raw": hashlib.sha256(body_of(name)).hexdigest(),
            **fields,
        }
    )


def raw_of(name: str, holder: str | None = None) -> bytes:
    """Return a mail's raw form: of one mailbox's copy, or the form that other readers get."""
    return head_of(name, holder) + body_of(name)


def head_of(name: str, holder: str | None = None) -> bytes:
    """Return a mail's header block: of one mailbox's copy, or the form that other readers get."""
    trace = f"X-Resolved-To: {holder}\nList-Unsubscribe: <https://list.example/{holder}>\n" if holder else ""
    return f"Subject: {name}\n{trace}\n".encode()


def body_of(name: str) -> bytes:
    """Return the body of a mail."""
    return f"raw {name}".encode()


def name_of(message: MailParsed) -> str:
    """Return the name of the mail that a message carries."""
    return str(message.content.subject).removeprefix("Subject ")


def delivery_of(message: Event, *, redelivered: bool = False) -> Delivery[Any]:
    """Return a message as the bus delivers it."""
    return Delivery(message, b"", 1, redelivered, "queue")


@dataclass
class World:
    """The system under test, and what the test did to it: from this the expected end state follows."""

    store: Store
    database: AsyncDatabase[dict[str, Any]]
    crm: AsyncDatabase[dict[str, Any]]
    summaries: SummaryKeeper
    accounts: dict[str, Account] = field(default_factory=dict)
    records: dict[str, list[str]] = field(default_factory=dict)
    """Addresses that records have or had, by ``kind:id``; deleted records are left out."""
    mails: list[Content] = field(default_factory=list)
    copies: dict[str, MailParsed] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    flagged: set[str] = field(default_factory=set)
    """Rows of copies flagged as deleted."""
    deleted: set[str] = field(default_factory=set)
    uids: Any = field(default_factory=lambda: itertools.count(1))

    async def account(self, address: str, mode: Mode = Mode.PUBLIC, **fields: Any) -> Account:
        """Connect an account."""
        new = account_of(address, mode, **fields)
        await self.store.accounts.add(new)
        await self.add_folders(new)
        self.accounts[new.id] = new
        return new

    async def add_folders(self, account: Account) -> None:
        """Store an account's inbox and Sent folder."""
        for folder in (inbox_of(account.id), sent_folder(account.id)):
            key = {"_id": f"{account.id}.{folder.id}"}
            await self.database["folders"].replace_one(key, folder.model_dump(), upsert=True)

    async def record(self, *addresses: str, kind: str = "contact", known: bool = True, **fields: Any) -> RecordRef:
        """Add a record to the CRM. ``known`` decides whether the matcher gets its event now."""
        document = {"_id": ObjectId(), "emails": list(addresses), **fields}
        await self.crm[f"{kind}s"].insert_one(document)
        ref = RecordRef(kind="lead" if kind == "lead" else "contact", id=str(document["_id"]))
        self.records[str(ref)] = list(addresses)
        if known:
            await self.changed(ref)
        return ref

    async def set_addresses(self, ref: RecordRef, *addresses: str) -> None:
        """Change a record's addresses in the CRM."""
        await self.crm[f"{ref.kind}s"].update_one({"_id": ObjectId(ref.id)}, {"$set": {"emails": list(addresses)}})
        self.records[str(ref)] = list(dict.fromkeys((*self.records[str(ref)], *addresses)))

    async def delete(self, ref: RecordRef) -> None:
        """Delete a record in the CRM."""
        await self.crm[f"{ref.kind}s"].delete_one({"_id": ObjectId(ref.id)})
        del self.records[str(ref)]

    async def changed(self, *refs: RecordRef) -> None:
        """Let the matcher handle a change of records."""
        events = [RecordChanged(id=f"{ref}", kind=ref.kind, record=ref.id, at=now()) for ref in refs]
        outcomes = await record_changed.handle(
            [delivery_of(event) for event in events], store=self.store, summaries=self.summaries
        )
        assert len(outcomes) == len(refs)

    async def copy(
        self,
        to: Account,
        content: Content,
        *,
        bcc: Iterable[str] = (),
        epoch: int | None = None,
        state: str = "published",
        sent: bool | None = None,
    ) -> MailParsed:
        """Add a copy to an account: its row is published and the parser has stored its blobs.

        Unless ``sent`` says otherwise, it is in the Sent folder if the sender is the account's own address.
        """
        senders = {one.address for one in content.participants if one.role is Role.FROM}
        folder = SENT if (senders <= to.own_addresses if sent is None else sent) else INBOX
        if content not in self.mails:
            self.mails.append(content)
        source = Copy(account=to.id, folder=folder, uidvalidity=1, uid=next(self.uids))
        message = MailParsed(
            id=f"{source.id}/1/parsed",
            source=source,
            lane=Lane.LIVE if epoch is None else Lane.BACKFILL,
            epoch=epoch,
            internal_date=START,
            noticed_at=START,
            content=content,
            bcc=tuple(bcc),
        )
        head = hashlib.sha256(head_of(name_of(message), to.address)).hexdigest()
        message = message.model_copy(update={"head": head})
        self.copies[source.id] = message
        await self._put_blobs(message)
        await self.database["ledger"].insert_one(self._row(message, state))
        return message

    async def deliver(self, to: Account, raw: bytes) -> MailParsed:
        """Let parser and matcher handle a raw mail that arrives in an account."""
        parsed = parse_mail(raw, account=to.id, internal_date=START)
        copy = (await self.copy(to, parsed.content, bcc=parsed.bcc)).model_copy(
            update={"head": parsed.head, "former_key": parsed.former_key}
        )
        self.copies[copy.source.id] = copy
        data = [raw[len(parsed.blobs[parsed.head]) :], *parsed.blobs.values()]
        await self.store.blobs.put_many([(each, email_ref(parsed.content.key)) for each in data])
        await self.match(copy)
        return copy

    async def _put_blobs(self, message: MailParsed) -> None:
        await self.store.blobs.put_many([(data, email_ref(message.content.key)) for data in self._raw_parts(message)])

    def _raw_parts(self, message: MailParsed) -> tuple[bytes, bytes]:
        name, holder = name_of(message), self.accounts[message.source.account].address
        return head_of(name, holder), body_of(name)

    def _row(self, message: MailParsed, state: str) -> dict[str, Any]:
        content, source = message.content, message.source
        addresses = {*(person.address for person in content.participants), *message.bcc}
        ids = {content.message_id, content.in_reply_to, *content.references} - {None}
        marks = self.store.record_addresses.hashes(sorted(addresses)) + self.store.record_addresses.message_id_hashes(
            sorted(map(str, ids))
        )
        return {
            "_id": copy_id(source.account, source.folder, source.uidvalidity, source.uid),
            **source.model_dump(),
            "epoch": message.epoch,
            "state": state,
            "size": 1,
            "internal_date": START,
            "noticed_at": START,
            "updated_at": now(),
            "attempts": 0 if state == "planned" else 1,
            "marks": marks,
        }

    async def match(self, *messages: MailParsed) -> list[Event]:
        """Let the matcher handle copies as one batch; return the events that it publishes."""
        outcomes = await handler.handle(
            [delivery_of(message) for message in messages], store=self.store, summaries=self.summaries
        )
        return [news for outcome in outcomes for news in outcome.publish]

    async def go(self, *rows: str) -> None:
        """Remove copies from their mailboxes: write what the poller writes to the ledger."""
        for row in rows:
            self.gone.add(row)
            # One write, as the poller uses one transaction: a matcher may attach the row at the same moment.
            relink = {"$cond": [{"$eq": ["$state", "attached"]}, True, {"$ifNull": ["$relink", "$$REMOVE"]}]}
            change = {"$set": {"relink": relink, "state": "gone", "updated_at": now()}}
            result = await self.database["ledger"].update_one({"_id": row}, [change])
            assert result.matched_count == 1

    async def flag(self, row: str, *, on: bool = True) -> None:
        """Set or remove a copy's deleted flag: write what the poller writes to the ledger."""
        (self.flagged.add if on else self.flagged.discard)(row)
        relink = {"$cond": [{"$eq": ["$state", "attached"]}, True, {"$ifNull": ["$relink", "$$REMOVE"]}]}
        flags = ["\\Seen", "\\Deleted"] if on else ["\\Seen"]
        change = {"$set": {"relink": relink, "flags": flags, "updated_at": now()}}
        result = await self.database["ledger"].update_one({"_id": row, "state": {"$ne": "gone"}}, [change])
        assert result.matched_count == 1

    async def announce_gone(self, *rows: str) -> None:
        """Let the matcher handle the event that copies are gone or that their flags changed."""
        for row in rows:
            copy = self.copies[row]
            event = MailboxChanged(id=row, account=copy.source.account, emails=(copy.content.key,))
            await mailbox_changed.handle(delivery_of(event), store=self.store, summaries=self.summaries)

    async def refetch(self) -> int:
        """Do what poller and parser do with planned rows; return how many there were."""
        planned = list[str]()
        async for found in self.database["ledger"].find({"state": RowState.PLANNED.value}):
            row, number = found["_id"], found.get("attempts", 0) + 1
            planned.append(row)
            self.copies[row] = self.copies[row].model_copy(update={"id": f"{row}/{number}/parsed"})
            await self._put_blobs(self.copies[row])
            await self.database["ledger"].update_one(
                {"_id": row, "state": RowState.PLANNED.value},
                {"$set": {"state": RowState.PUBLISHED.value, "attempts": number}},
            )
        for start in range(0, len(planned), 3):
            await self.match(*(self.copies[row] for row in planned[start : start + 3]))
        return len(planned)

    async def rest(self) -> None:
        """Let all pending work finish, as if every grace had passed."""
        for _ in range(20):
            busy = await self.refetch()
            busy += await mailbox_changed.sweep_gone(store=self.store, summaries=self.summaries, grace=NO_GRACE)
            busy += await mailbox_changed.sweep_unlinked(store=self.store, summaries=self.summaries, grace=NO_GRACE)
            if not busy:
                await self.summaries.flush()
                return
        raise AssertionError("work keeps coming")

    async def snapshot(self) -> Truth:
        """Return what the store holds."""
        counts: dict[str, int] = {}
        for kind in ("lead", "contact"):
            async for document in self.crm[f"{kind}s"].find({"leadmail.count": {"$gt": 0}}):
                counts[f"{kind}:{document['_id']}"] = document["leadmail"]["count"]
        found = [await self.database[name].find().to_list() for name in ("emails", "links", "ledger")]
        return snapshot_of(found[0], found[1], found[2], counts)

    def truth(self) -> Truth:
        """Return what the store should hold.

        A copy flagged as deleted grants nothing, as if it were gone. Its links stay stored, but without owners.
        """

        def without(gone: set[str]) -> Truth:
            return reference(
                mails=self.mails,
                copies=list(self.copies.values()),
                gone=gone,
                deleted=self.deleted,
                records=self.records,
                accounts=self.accounts,
            )

        live, everything = without(self.gone | self.flagged), without(self.gone)
        return live._replace(
            emails={**everything.emails, **live.emails},
            links={key: (matches, (), ()) for key, (matches, _, _) in everything.links.items()} | live.links,
            rows={**live.rows, **{row: everything.rows[row] for row in self.flagged - self.gone}},
        )
