"""Status and queues for programs."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from schemas.accounts import AccountState, Phase
from schemas.ledger import Epoch, RowState
from services.cli.results.base import Result


class TroubleResult(Result):
    """Why the work on a mailbox cannot go on at the moment. It is tried again without anyone acting."""

    code: str
    """Stable code, such as ``throttled`` or ``many-gone``."""
    phase: Phase
    """What the poller was doing."""
    folder: str | None
    """Id of the folder that it is about."""
    since: datetime
    """When it started."""
    next_try: datetime | None
    """When the poller tries again."""
    detail: str
    """What happened, without mail."""
    owner_told: bool
    """Whether the owner was notified."""


class AccountStatusResult(Result):
    """How far one account has come."""

    account: str
    """Address of the mailbox."""
    id: str
    """Id of the account."""
    owner: str
    """The user's address; of a shared mailbox `team:` and its id."""
    members: tuple[str, ...] = ()
    """The users whose mailbox it is, if it is a shared one."""
    state: AccountState
    """Whether the mailbox is synchronised."""
    reason: str | None
    """Stable code of why it is blocked."""
    trouble: TroubleResult | None = None
    """Why it cannot go on although it is active; null if all is well."""
    poller: str | None
    """The poller that works on it."""
    epoch: Epoch | None
    """Its newest backfill."""
    done: int
    """Messages with a final state."""
    total: int
    """All messages."""
    messages: dict[RowState, int]
    """Number of messages by state in the ledger."""
    counted_at: datetime | None = None
    """When ``messages`` were counted: a while ago only in a large mailbox whose mail is being processed."""
    oldest_unfinished: datetime | None
    """When the oldest copy without a final state was noticed."""
    repeated_message_ids: int = 0
    """Message-IDs that different mails of the mailbox carry."""


class QueueDepthResult(Result):
    """How many messages a queue has."""

    ready: int
    """Messages that wait."""
    consumers: int
    """Number of consumers."""
    unacknowledged: int | None
    """Messages in progress; null without a management URL."""


class TroubleGroupResult(Result):
    """Active accounts that cannot go on at the moment for the same reason."""

    code: str
    """Stable code, such as ``throttled``."""
    accounts: int
    """How many accounts."""
    oldest: datetime
    """Since when the first of them cannot."""


class StatusResult(Result):
    """The state of the deployment."""

    oldest_unfinished: datetime | None
    """When the oldest copy without a final state was noticed."""
    dead_letters: int
    """Number of dead letters."""
    broker_alarms: list[str]
    """Why RabbitMQ accepts no messages; needs a management URL."""
    missing_secrets: list[str] = Field(default_factory=list)
    """Ids of secrets that are needed and that the settings of this command lack."""
    stages: dict[str, int]
    """Number of replicas by stage; only that of pollers if RabbitMQ does not answer."""
    accounts: list[AccountStatusResult]
    """All accounts."""
    troubles: list[TroubleGroupResult] = Field(default_factory=list)
    """What hinders active accounts, by code."""
    queues: dict[str, QueueDepthResult] | None
    """All queues by name; null if RabbitMQ does not answer."""


class QueueRatesResult(Result):
    """How fast a queue moves."""

    published: float
    """Messages per second."""
    delivered: float
    """Messages per second."""
    acknowledged: float
    """Messages per second."""


class QueueResult(QueueDepthResult):
    """A queue."""

    queue: str
    """Name of the queue."""
    rates: QueueRatesResult | None
    """Null without a management URL."""
    ready_bytes: int | None = None
    """Bytes of the messages that wait; null without a management URL."""
    max_messages: int
    """How many messages may wait before the queue refuses more."""
    max_bytes: int
    """How many bytes may wait before the queue refuses more."""
