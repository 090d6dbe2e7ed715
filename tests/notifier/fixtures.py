"""A store with accounts whose backfills are complete, the real SMTP sink, and the notifier between them."""

from __future__ import annotations

import email
import email.policy
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_network
from typing import Any

import structlog
from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Account, ServerAddress
from schemas.ledger import Epoch, EpochState, NotificationState, RowState
from schemas.messages import AccountAttention, SyncCompleted
from services.amqp import Delivery
from services.mailbox.connection import ConnectPolicy
from services.mailbox.outgoing_mail import serialize
from services.mailbox.smtp import parse_relay, submit
from services.notifier.handler import Notifier
from services.notifier.notification import OwnerMail, send_to_each
from services.store import RowOutcome, Store
from testbed.local import LocalServers
from tests import factories
from tests.factories import lease_of, sealed_epoch

SENDER = "Leadmail <leadmail@crm.example>"
LOG: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)


def new_address() -> str:
    """Return a unique address: all tests share the sink."""
    return f"owner-{secrets.token_hex(5)}@crm.example"


def read(raw: bytes) -> EmailMessage:
    """Return a mail as its recipient reads it."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@dataclass
class NotifierEnvironment:
    """The store, the sink and the notifier."""

    store: Store
    database: AsyncDatabase[dict[str, Any]]
    servers: LocalServers

    def notifier(self) -> Notifier:
        """Return a notifier as its ``__main__`` wires it."""
        return Notifier(self.store, self.send, SENDER, LOG)

    async def send(self, mail: OwnerMail) -> None:
        """Send through the sink, over STARTTLS with its certificate verified."""
        policy = ConnectPolicy.build(
            allow_networks=(ip_network("127.0.0.0/8"),), ca_file=str(self.servers.smtp.ca_file)
        )
        relay = parse_relay(f"smtp://{self.servers.smtp.host}:{self.servers.smtp.port}")
        sender = "leadmail@crm.example"

        async def post(message: EmailMessage, to: str) -> None:
            await submit(relay, serialize(message), sender=sender, recipients=[to], policy=policy)

        await send_to_each(mail, post)

    def received(self, address: str) -> list[EmailMessage]:
        """Return the mails to an address, oldest first."""
        return [read(sent.raw) for sent in self.servers.sink.sent() if address in sent.recipients]

    async def account(self, owner: str, *, user: bool = True, **fields: Any) -> Account:
        """Connect an account of a user."""
        if user:
            await self.store.users.add(owner, name="Anna Lind")
        server = ServerAddress(host="imap.gmail.com", port=993, tls="tls", username=owner)
        account = factories.account(owner, incoming=server, **fields)
        await self.store.accounts.add(account)
        return account

    async def backfilled(self, account: Account, states: Sequence[RowState] = (RowState.UNMATCHED,)) -> Epoch:
        """Complete a backfill: its confirmation is due."""
        lease = await lease_of(self.store, account.id)
        epoch, rows = await sealed_epoch(self.store, lease, len(states))
        await self.store.matcher_ledger.finish(
            [RowOutcome(row.id, state) for row, state in zip(rows, states, strict=True)]
        )
        assert await self.store.epochs.complete_if_done(account.id, epoch.number)
        await self.store.leases.release([lease])
        return epoch

    async def block(self, account: Account, reason: str) -> int:
        """Block an account as a poller does; returns the incident."""
        lease = await lease_of(self.store, account.id)
        incident = await self.store.account_troubles.block(lease, reason, tried=account.credentials)
        assert incident is not None
        await self.store.leases.release([lease])
        return incident

    async def state(self, epoch: Epoch) -> NotificationState:
        """Return the state of a confirmation."""
        found = await self.store.epochs.get(epoch.account, epoch.number)
        assert found is not None
        assert found.state is EpochState.COMPLETE
        return found.notification

    async def wait_out(self, of: str, span: timedelta) -> None:
        """Let time pass for every claim of an account by moving its claims into the past."""
        milliseconds = int(span.total_seconds() * 1000)
        earlier: Mapping[str, Any] = {"$subtract": ["$claimed_at", milliseconds]}
        claimed = {"account": of, "claimed_at": {"$type": "date"}}
        await self.database["epochs"].update_many(claimed, [{"$set": {"claimed_at": earlier}}])
        alert = {"_id": of, "attention_claim": {"$exists": True}}
        past = {"$subtract": ["$attention_claim.at", milliseconds]}
        await self.database["accounts"].update_one(alert, [{"$set": {"attention_claim.at": past}}])


def completed(epoch: Epoch) -> Delivery[SyncCompleted]:
    """Return the event of a completed backfill as the bus delivers it."""
    message = SyncCompleted.of(epoch.account, epoch.number)
    return Delivery(message, b"", 1, redelivered=False, queue="notifier.sync-completed")


def blocked(account: Account, incident: int, reason: str) -> Delivery[AccountAttention]:
    """Return the event of a blocked account."""
    event = f"{account.id}.attention.{incident}"
    message = AccountAttention(id=event, account=account.id, reason=reason, incident=incident)
    return Delivery(message, b"", 1, redelivered=False, queue="notifier.account-attention")


START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
"""A moment for reports that no database has seen."""
