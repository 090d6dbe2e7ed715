"""One backfill, from the stored account to the confirmation in the SMTP server, and mbsync's download of the same mail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.accounts import Account
from schemas.ledger import RowState
from testbed.bench import mbsync
from testbed.bench.accounting import cpu_seconds, watching_memory
from testbed.bench.deployment import Deployment
from testbed.bench.mailboxes import BenchError, MailLogin, new_mailbox, warm
from testbed.local import LocalServers
from testbed.samples.bench.mailbox import BenchMailbox
from testbed.samples.bench.people import OWNER_ADDRESS

OWNER = "owner@bench.example"
"""The CRM's user who owns the mailbox and gets the confirmation."""
_PAUSE_S = 0.05
_LOOK_S = 10.0
_STALLED_S = 60


class Backfill(NamedTuple):
    """What one backfill took."""

    seconds: float
    mbsync_seconds: Sequence[float]
    """One before and one after it."""
    cpu_seconds: dict[str, float]
    """By stage and by server."""
    peak_mb: dict[str, float]


def confirmations(servers: LocalServers, owner: str) -> list[Path]:
    """Return the files of the mails that the SMTP server took for a user, oldest first."""
    return [mail.path for mail in servers.sink.sent() if owner in mail.recipients]


async def confirmed(deployment: Deployment, account: Account, known: int) -> float:
    """Wait for one more confirmation of the account's owner than ``known`` and return when it was there (Unix time).

    Raises:
        BenchError: nothing progresses any more; the text has the rows' states and the ends of the stages' logs.
    """
    servers, owner = deployment.servers, account.owner
    counts: dict[RowState, int] = {}
    looked = moved = time.monotonic()
    while len(confirmations(servers, owner)) <= known:
        deployment.check_alive()
        now = time.monotonic()
        if now - looked > _LOOK_S:
            looked, before, counts = now, counts, await deployment.store.ledger_counts.counts(account.id)
            moved = now if counts != before else moved
        if now - moved > _STALLED_S:
            raise BenchError(
                f"no progress for {_STALLED_S} s and no confirmation; the ledger has {_words(counts)}\n{deployment.last_words()}"
            )
        await asyncio.sleep(_PAUSE_S)
    return confirmations(servers, owner)[known].stat().st_mtime


class Running(NamedTuple):
    """A running backfill."""

    account: Account
    mailbox: MailLogin
    known: int
    """Confirmations that its owner had before."""


async def begin(deployment: Deployment, mailbox: MailLogin) -> Running:
    """Connect a mailbox; returns as soon as the account is stored."""
    await deployment.command("user", "add", OWNER)
    known = len(confirmations(deployment.servers, OWNER))
    return Running(await deployment.connect(mailbox, owner=OWNER, address=OWNER_ADDRESS), mailbox, known)


async def finish(deployment: Deployment, running: Running) -> float:
    """Wait for the confirmation and check the counts; return the seconds since the account was stored."""
    ended = await confirmed(deployment, running.account, running.known)
    await check_counts(deployment, running.account, running.mailbox)
    return ended - running.account.created_at.timestamp()


async def check_counts(deployment: Deployment, account: Account, mailbox: MailLogin) -> None:
    """Raise BenchError if a message does not have the right state in the ledger."""
    content = mailbox.content
    assert content is not None
    counts = {
        state: count for state, count in (await deployment.store.ledger_counts.counts(account.id)).items() if count
    }
    wanted = {
        RowState.ATTACHED: content.relevant,
        RowState.UNMATCHED: content.messages - content.relevant,
    }
    wanted = {state: count for state, count in wanted.items() if count}
    if counts != wanted:
        raise BenchError(
            f"wrong result: the ledger has {_words(counts)}, and {_words(wanted)} is right for this mailbox"
        )


def _words(counts: dict[RowState, int]) -> str:
    return ", ".join(f"{count} {state.value}" for state, count in sorted(counts.items())) or "nothing"


async def measure(deployment: Deployment, content: BenchMailbox, where: Path) -> Backfill:
    """Measure mbsync, the backfill, and mbsync again, each on a separate warm mailbox with ``content``."""
    servers = deployment.servers
    names = ("mbsync-before", "backfill", "mbsync-after")
    mailboxes = {name: new_mailbox(servers, name, content) for name in names}
    for mailbox in mailboxes.values():
        await asyncio.to_thread(warm, servers, mailbox)
    first = await asyncio.to_thread(mbsync.download_seconds, servers, mailboxes["mbsync-before"], where)
    await deployment.rest()
    spent = cpu_seconds(deployment.roots)
    with watching_memory(deployment.roots) as peaks:
        began = time.monotonic()
        seconds = await finish(deployment, await begin(deployment, mailboxes["backfill"]))
        if not 0 < seconds <= time.monotonic() - began:
            raise BenchError("the clock was set while the backfill ran: run the bench again")
    after = cpu_seconds(deployment.roots)
    await deployment.rest()
    second = await asyncio.to_thread(mbsync.download_seconds, servers, mailboxes["mbsync-after"], where)
    return Backfill(seconds, (first, second), {name: after[name] - spent[name] for name in after}, dict(peaks))
