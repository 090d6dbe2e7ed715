"""Helpers that fill a store as the stages do."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Account, AccountState, Lease
from schemas.emails import Attestation, Match
from schemas.ledger import RowState
from schemas.mail import Content, Participant, Role
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import LinkAddition, RowOutcome, Store
from services.store.access.teams import ActiveViewer
from tests.factories import SENT, account, row, sent_folder

START = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def key(name: str) -> str:
    """Return an email key made from a name."""
    return f"v1-{hashlib.sha1(name.encode()).hexdigest()}"


def content(name: str, sender: str, *to: str, minutes: int = 0, **fields: Any) -> Content:
    """Return the content of a mail sent ``minutes`` after the start."""
    people = (
        Participant(address=sender, name="", role=Role.FROM),
        *(Participant(address=one, role=Role.TO) for one in to),
    )
    values: dict[str, Any] = {
        "message_id": f"{name}@mail",
        "thread": "t" * 24,
        "subject": f"Subject {name}",
        "snippet": f"Snippet {name}",
        "text": f"Text {name}",
        "raw": hashlib.sha256(name.encode()).hexdigest(),
        **fields,
    }
    return Content(key=key(name), sent_at=START + timedelta(minutes=minutes), participants=people, **values)


@dataclass
class World:
    """A store, and helpers to fill it."""

    store: Store
    database: AsyncDatabase[dict[str, Any]]
    crm: AsyncDatabase[dict[str, Any]]
    leases: dict[str, Lease] = field(default_factory=dict)

    async def user(self, email: str, *, admin: bool = False) -> str:
        """Add a user."""
        return (await self.store.users.add(email, admin=admin)).email

    async def viewer(self, email: str) -> ActiveViewer:
        """Return a user as one who reads."""
        return await self.store.teams.viewer(await self.store.users.get(email))

    async def account(self, address: str, mode: Mode = Mode.PUBLIC, **fields: Any) -> Account:
        """Add a user with an account of the same address (unless another owner is given), and lease it."""
        new = account(address, mode=mode, **fields)
        if new.owner == address:
            await self.user(address)
        await self.store.accounts.add(new)
        await self.lease(new.id)
        return new

    async def lease(self, of: str) -> Lease:
        """Lease every free account to one poller. Returns the lease of an account."""
        for lease in await self.store.leases.acquire("poller-1", 1000, at_most=1000):
            self.leases[lease.account] = lease
        return self.leases[of]

    async def record(self, *addresses: str, kind: str = "lead", name: str = "") -> RecordRef:
        """Add a record with addresses to the CRM and to the index."""
        document = {"_id": ObjectId(), "emails": list(addresses), "name": name}
        await self.crm[f"{kind}s"].insert_one(document)
        ref = RecordRef(kind="lead" if kind == "lead" else "contact", id=str(document["_id"]))
        record = await self.store.records.read(ref)
        assert record is not None
        await self.store.record_addresses.swept(await self.store.record_addresses.put_many([record]))
        return ref

    async def attach(
        self, to: Account, mail: Content, *, bcc: Iterable[str] = (), flags: Iterable[str] = (), uid: int | None = None
    ) -> str:
        """Import a copy as poller and matcher do. Returns the row's id."""
        copy = row(to.id, uid or next(_numbers), flags=tuple(flags))
        await self.store.poller_ledger.add_window(self.leases[to.id], [copy])
        await self.store.emails.save_many([mail])
        await self.store.links.save_many(await self.additions(to, mail, tuple(bcc)))
        await self.store.matcher_ledger.finish([RowOutcome(copy.id, RowState.ATTACHED, email=mail.key, bcc=tuple(bcc))])
        await self.store.sharing.recompute([mail.key])
        return copy.id

    async def answered(self, by: Account, mail: Content, about: str) -> tuple[Content, str]:
        """Import a mail as the answer to one that the account's owner sent to a record's address.

        Returns it as it is stored, and the row of the sent mail.
        """
        sent, copy = content(f"sent-{mail.key}", by.address, about), row(by.id, next(_numbers), folder=SENT)
        answer = mail.model_copy(update={"in_reply_to": sent.message_id})
        await self.store.folders.save(self.leases[by.id], [sent_folder(by.id)])
        await self.store.poller_ledger.add_window(self.leases[by.id], [copy])
        await self.store.emails.save_many([sent])
        await self.store.emails.save_many([answer], by_thread={answer.key})
        additions = await self.additions(by, sent)
        await self.store.links.save_many([one._replace(sent=True) for one in additions])
        await self.store.matcher_ledger.finish([RowOutcome(copy.id, RowState.ATTACHED, email=sent.key)])
        match, attested = Match(address=about, role=Role.THREAD), Attestation(owner=by.owner, address=about)
        ids = answer.thread_ids
        links = [
            one._replace(email=answer.key, matches=(match,), attestations=(attested,), ids=ids) for one in additions
        ]
        await self.store.links.save_many(links)
        await self.attach(by, answer)
        return answer, copy.id

    async def additions(self, to: Account, mail: Content, bcc: tuple[str, ...] = ()) -> list[LinkAddition]:
        """Return what a copy of a mail adds to links, before sharing."""
        named = [(one.address, one.role, None) for one in mail.participants] + [(one, Role.BCC, to.id) for one in bcc]
        known = await self.store.record_addresses.known([address for address, _, _ in named])
        return [
            LinkAddition(
                mail.key,
                record,
                mail.sent_at,
                mail.thread,
                (Match(address=address, role=role, account=owner),),
                to.owner,
                ids=mail.thread_ids,
            )
            for address, role, owner in named
            for record in known.get(address, ())
        ]

    async def states(self, of: str) -> dict[str, int]:
        """Return the number of an account's rows by state."""
        return {state.value: n for state, n in (await self.store.ledger_counts.counts(of)).items()}

    async def summary(self, ref: RecordRef) -> dict[str, Any] | None:
        """Return the summary in the CRM's document."""
        document = await self.crm[f"{ref.kind}s"].find_one({"_id": ObjectId(ref.id)})
        assert document is not None
        return document.get("leadmail")

    async def pause(self, of: str) -> None:
        """Pause an account."""
        await self.store.accounts.set_state(of, AccountState.PAUSED, by="operator")
