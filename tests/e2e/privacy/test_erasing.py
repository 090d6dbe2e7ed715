"""A purged account and an erased person leave no trace of what only they held; the search is that of the canaries."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from schemas.ledger import RowState
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.sweepers import sweep_pending_work
from services.store import NewRecord
from services.store.core.documents import now
from testbed.local import LocalServers
from testbed.samples.company import USERS
from tests.e2e.deployment import ROOT, STAGES, Deployment, deploy
from tests.e2e.privacy import places
from tests.e2e.privacy.canaries import lying, stranger
from tests.e2e.privacy.traces import Traces, gathered

pytestmark = pytest.mark.timeout(300)
ANNA, LUC = USERS[:2]
AT_ONCE = timedelta(0)


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment whose CRM has its own database."""
    async with deploy(servers, environment, tmp_path) as deployment:
        yield deployment


PARTS = ("-name", "-subject", "-text", "-file.bin", "-content", "-id")
"""Of a mail: `stranger` writes its word in each."""


async def leadmail(company: Deployment, *arguments: str) -> str:
    """Run a command as an operator does and return its output."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=ROOT,
        env=company.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def stored(company: Deployment) -> Iterator[tuple[str, bytes]]:
    """Iterate over everything in the database, including the CRM's documents."""
    environment = company.environment
    return gathered(places.database(environment["LEADMAIL_MONGO_URL"], environment["LEADMAIL_MONGO_DATABASE"]))


async def swept(company: Deployment) -> None:
    """Do what the matcher's sweepers do periodically."""
    await sweep_pending_work(store=company.store, summaries=(keeper := SummaryKeeper(company.store)), overdue=AT_ONCE)
    await keeper.flush()
    while await company.store.blob_sweep.run(grace=AT_ONCE):
        pass


async def test_nothing_is_left(company: Deployment) -> None:
    """Mail that only a purged account held, or that was stored only because of an erased person, is gone; other mail remains."""
    kept, lucs, gone = stranger(), stranger(), stranger()
    anna, luc = ANNA.addresses[0], LUC.addresses[0]
    await company.store.records.add("contact", NewRecord((kept.address,)))
    leaving = await company.store.records.add("lead", NewRecord((gone.address,)))
    # given: a client's mail that both hold, one that only Luc holds, and another sender's mail that both hold
    only = [
        raw.replace(lucs.address.encode(), kept.address.encode()).replace(
            lucs.address.upper().encode(), kept.address.encode()
        )
        for raw in (lucs.mail(luc), lucs.coded(luc, 1))
    ]
    both = [kept.mail(f"{anna}, {luc}"), gone.mail(f"{anna}, {luc}"), gone.coded(f"{anna}, {luc}", 1)]
    mails = [
        *lying(ANNA, "INBOX", both),
        *lying(LUC, "INBOX", both),
        *lying(LUC, f"{lucs.word}-folder", only),
        *lying(ANNA, "INBOX", [gone.mail(anna, 3, Bcc=f"{gone.word}-bcc@{gone.word}.example")]),
    ]
    for user in (ANNA, LUC):
        mails += lying(user, "INBOX", [stranger().mail(user.addresses[0])])  # about no record: see `spoil`
    for user in (ANNA, LUC):
        await company.add_user(user, mails)
    company.start(*STAGES)
    for user in (ANNA, LUC):
        await company.connect(user)
    await company.until(company.confirmed, "both backfills are confirmed")

    async def found() -> bool:
        everything = list(stored(company))
        parts = [word + part for word in (kept.word, lucs.word, gone.word) for part in PARTS]
        return all(Traces([part]).among(everything) for part in parts)

    # The first look at the CRM may end after the backfills: then its records are late contacts.
    await company.until(found, "looking finds what is there")
    await spoil(company, LUC.key, lucs.mail(luc))
    # when: Luc's account is purged
    await leadmail(company, "account", "remove", company.accounts[LUC.key], "--purge", "--yes")
    await swept(company)
    # then
    assert Traces([lucs.word], lucs.hashed).among(stored(company)) == []
    assert Traces([f"{kept.word}-subject"]).among(stored(company))
    assert Traces([f"{gone.word}-subject"]).among(stored(company))
    # when: the other person is erased, and then deleted in the CRM
    output = await leadmail(company, "privacy", "erase", gone.address, "--by", anna, "--yes")
    assert "3 emails would be permanently deleted" in output
    assert "still has this address in the CRM" in output
    await swept(company)
    traces = Traces([gone.word], gone.hashed).among(stored(company))
    assert traces
    assert {trace.where.rpartition(".")[2] for trace in traces} == {"leads"}, "the CRM's own document has its address"
    await company.store._collections.records["lead"].delete_one({"_id": ObjectId(leaving.ref.id)})
    await swept(company)
    # then
    assert Traces([gone.word], gone.hashed).among(stored(company)) == []
    # and when the mailbox is gone through again, nothing comes back
    del company.accounts[LUC.key]
    await company.store.accounts.request_resync(company.accounts[ANNA.key], by="operator")

    async def reopened() -> bool:
        return (await company.store.accounts.get(company.accounts[ANNA.key])).epoch == 2

    await company.until(reopened, "the second backfill is open")
    await company.until(company.confirmed, "the second backfill is confirmed")
    assert company.end() == dict.fromkeys(STAGES, 0)
    counts = await company.store.ledger_counts.counts(company.accounts[ANNA.key])
    assert counts[RowState.SKIPPED] == 3
    assert Traces([gone.word], gone.hashed).among(stored(company)) == []
    assert Traces([f"{kept.word}-subject"]).among(stored(company))


async def spoil(company: Deployment, user: str, raw: bytes) -> None:
    """Make a dead letter of a message about a user's copy, with a mail as its body."""
    rows = company.store._collections.ledger
    # As if it were fetched again: a dead letter about a finished copy would not be kept.
    again = {"$set": {"state": "published", "updated_at": now()}}
    row = await rows.find_one_and_update({"account": company.accounts[user], "state": "unmatched"}, again)
    assert row is not None
    headers = {"ce-type": "leadmail.mail.fetched.v1", "ce-id": f"{row['_id']}/9", "leadmail": "{}"}
    await places.send(company.environment["LEADMAIL_RABBITMQ_URL"], [("mail.fetched.v1.live", headers, raw)])

    async def kept() -> bool:
        return await company.store.dead_letters.count() == 1

    await company.until(kept, "the message is in the dead letters")
