"""Mail that concerns no record leaves no readable trace outside its mailbox: every stage, every place, every form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from bson.timestamp import Timestamp

from schemas.ledger import RowState
from schemas.records import RecordRef
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from testbed.samples.company import USERS
from testbed.samples.model import SampleMail
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.privacy import places
from tests.e2e.privacy.canaries import Stranger, lying, stranger
from tests.e2e.privacy.traces import Traces, gathered

pytestmark = pytest.mark.timeout(300)
ANNA, LUC = USERS[:2]
PARTS = ("-name", "-subject", "-text", "-file.bin", "-content", ".addr@", "-id@")
"""Suffixes of the word of a sender whose mail is stored."""


def mailboxes(private: Stranger, client: Stranger, aside: Stranger) -> list[SampleMail]:
    """Return private mail in every shape and folder, and of a client, and what a stranger says in a thread of two clients.

    The poller takes the last for the client's, the matcher does not.
    """
    anna, luc = ANNA.addresses[0], LUC.addresses[0]
    shapes = (private.mail(anna), private.coded(anna, 1), private.broken(anna, 2))
    unrelated = [*shapes, private.mail(anna, 3, Bcc=f"{private.word}-bcc@{private.word}.example")]
    about = [client.mail(anna), client.coded(anna, 1)]
    asked = client.mail(anna, 5, Bcc="nobody-else@client.example").replace(
        b"\nCc: ", b"\nCc: second@client.example, ", 1
    )
    answer = aside.mail(anna, 6, In_Reply_To=f"<{client.word}-id-5@{client.word}.example>")
    return [
        *lying(ANNA, "INBOX", [*unrelated, *about, asked, answer]),
        *lying(ANNA, "Friends", [private.mail(anna, 7), client.mail(anna, 8)]),
        *lying(ANNA, "Trash", [private.mail(anna, 9)]),
        *lying(ANNA, "Drafts", [private.mail(anna, 10)]),
        *lying(LUC, "INBOX", [*(private.mail(luc, number) for number in range(20, 30)), client.mail(luc, 31)]),
    ]


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with as much output as possible: logs at level debug, metrics of every stage."""
    talkative = {**environment, "LEADMAIL_LOG_LEVEL": "debug"}
    async with deploy(servers, talkative, tmp_path) as deployment:
        yield deployment


def start(company: Deployment) -> dict[str, int]:
    """Start every stage with its own metrics page. Returns the ports."""
    ports = {stage: free_port() for stage in STAGES}
    for stage, port in ports.items():
        company.environment["LEADMAIL_HTTP_PORT"] = str(port)
        company.start(stage)
    return ports


async def settled(company: Deployment, user: str, wanted: dict[RowState, int], what: str) -> None:
    """Wait until a user's ledger has exactly these states."""

    async def reached() -> bool:
        counts = await company.store.ledger_counts.counts(company.accounts[user])
        return {state: count for state, count in counts.items() if count and state is not RowState.GONE} == wanted

    await company.until(reached, what)


def stored(company: Deployment) -> Iterator[tuple[str, bytes]]:
    """Iterate over everything in the database."""
    environment = company.environment
    names = (environment["LEADMAIL_MONGO_DATABASE"], environment["LEADMAIL_CRM_DATABASE"])
    return gathered(places.database(environment["LEADMAIL_MONGO_URL"], *names))


def noted(company: Deployment, since: Timestamp) -> Iterator[tuple[str, bytes]]:
    """Iterate over every write since a moment."""
    return gathered(places.operations(company.environment["LEADMAIL_MONGO_URL"], since))


async def test_no_trace_of_private_mail(company: Deployment, tmp_path: Path) -> None:
    """Nothing of private mail is in database, queues, logs or metrics; a client's mail is in all of them but the logs."""
    # given: mailboxes with private mail, in every shape and folder, and of a client
    private, live, client, aside = stranger(), stranger(), stranger(), stranger()
    record = await company.store.records.add("contact", NewRecord((client.address,), name="Known Client"))
    await company.store.records.add("lead", NewRecord(("second@client.example",)))
    mails = mailboxes(private, client, aside)
    since = await asyncio.to_thread(places.moment_of, company.environment["LEADMAIL_MONGO_URL"])
    url, name = company.environment["LEADMAIL_MONGO_URL"], company.environment["LEADMAIL_MONGO_DATABASE"]
    async with AsyncExitStack() as stack:
        profiling = stack.enter_context(ExitStack())
        profiling.enter_context(places.profiled(url, name))
        seen = await stack.enter_async_context(places.shadow(company.environment["LEADMAIL_RABBITMQ_URL"]))
        for user in (ANNA, LUC):
            await company.add_user(user, mails)
        # when: it is synchronised, mail arrives, is read, moved and deleted
        ports = start(company)
        for user in (ANNA, LUC):
            await company.connect(user)
        await company.until(company.confirmed, "both backfills are confirmed")
        await settled(company, ANNA.key, {RowState.ATTACHED: 4, RowState.UNMATCHED: 6}, "Anna's mail has its states")
        luc = LUC.addresses[0]
        arrived = [live.mail(luc), live.coded(luc, 1), live.broken(luc, 2), client.mail(luc, 32)]
        for raw in arrived:
            await asyncio.to_thread(company.servers.deliver, company.addresses[LUC.key], raw)
        await settled(company, LUC.key, {RowState.ATTACHED: 2, RowState.UNMATCHED: 13}, "Luc's new mail has its states")
        phone = company.phone(LUC)
        await asyncio.to_thread(phone.mark_read, live.message_id)
        await asyncio.to_thread(phone.move, live.message_id, "Archive")
        await asyncio.to_thread(phone.move, f"<{private.word}-id-20@{private.word}.example>", "Trash")
        await settled(company, LUC.key, {RowState.ATTACHED: 2, RowState.UNMATCHED: 12}, "Luc's mailbox was tidied")
        await spoil(company, client)
        pages = await places.metrics(ports)
        assert company.end() == dict.fromkeys(STAGES, 0)
        left = await places.waiting(company.environment["LEADMAIL_RABBITMQ_URL"])
        # then: of private mail there is nothing anywhere
        asked = [place for place in stored(company) if place[0].endswith("system.profile")]
        assert Traces([client.word]).among(asked), "what is asked is written down"
        unknown = Traces([private.word, live.word], [*private.hashed, *live.hashed])
        assert unknown.among(stored(company)) == []
        profiling.close()
    assert unknown.among(noted(company, since)) == []
    assert unknown.among(gathered([*seen.seen, *left])) == []
    assert unknown.among([*places.logs(tmp_path), *pages]) == []
    # and of what the matcher refused nothing stays, once unused blobs are swept
    refused = Traces([aside.word], aside.hashed)
    await company.store.blob_sweep.run(grace=timedelta(0))
    assert refused.among(stored(company)) == []
    # and all of the client's mail is there, so the search finds what exists
    await assert_found(company, client, record.ref, since)
    assert {where for where, _ in seen.seen} >= {"exchange leadmail", "exchange leadmail.dead"}
    assert Traces([client.word]).among(gathered(seen.seen)), "what is about a record travels through the queues"
    assert refused.among(gathered(seen.seen)) == [], "what the matcher would refuse is not even fetched"
    # and the logs say nothing of it either, nor a credential
    secrets = [*company.passwords.values(), company.environment["LEADMAIL_SECRET_KEY"], *passwords(company)]
    silent = Traces([client.word, aside.word, *secrets], [*client.hashed, *aside.hashed])
    said = [*places.logs(tmp_path), *pages]
    assert silent.among(said) == []
    assert b"message handled" in b"".join(content for _, content in said), "the logs are those of level debug"


async def spoil(company: Deployment, client: Stranger) -> None:
    """Send undecodable messages full of a client's words; they end in the dead letters, whose reasons quote nothing."""
    bad = [
        b"{" + client.word.encode() + b"}",
        b'{"content": "' + client.word.encode() + b'"}',
        client.mail("x@y.example"),
    ]
    await places.send(
        company.environment["LEADMAIL_RABBITMQ_URL"],
        [
            ("mail.parsed.v1.live", {"ce-type": "leadmail.mail.parsed.v1", "ce-id": f"bad-{n}"}, body)
            for n, body in enumerate(bad)
        ],
    )

    async def kept() -> bool:
        return await company.store.dead_letters.count() == len(bad)

    await company.until(kept, "what cannot be read is in the dead letters")
    errors = [letter.error for letter in await company.store.dead_letters.newest()]
    assert all(errors)
    assert Traces([client.word]).of("errors", "".join(errors).encode()) == []


async def assert_found(company: Deployment, client: Stranger, record: RecordRef, since: Timestamp) -> None:
    """Check that every part of a client's mail is in the database and the operations log, and is found by the same search."""
    everything = list(stored(company))
    writes = list(noted(company, since))
    for part in PARTS:
        assert Traces([client.word + part]).among(everything), part
        assert Traces([client.word + part]).among(writes), part
    crm = [place for place in everything if place[0].endswith(f"{record.kind}s")]
    assert Traces([f"{client.word}-subject"]).among(crm), "the summary is in the CRM's document"
    blobs = [place for place in everything if "blobs" in place[0]]
    assert Traces([f"{client.word} at the end"]).among(blobs)


def passwords(company: Deployment) -> list[str]:
    """Return the passwords in the URLs of the servers."""
    urls = (company.environment["LEADMAIL_RABBITMQ_URL"], company.environment["LEADMAIL_SMTP_URL"])
    return [url.partition("//")[2].rpartition("@")[0].partition(":")[2] for url in urls if "@" in url]
