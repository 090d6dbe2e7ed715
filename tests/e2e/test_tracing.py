"""One trace leads from the mail server's notice of a mail to its record page; a collector that is down costs nothing else."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from schemas.ledger import RowState
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from testbed.samples.company import USERS
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.privacy import places
from tests.e2e.privacy.canaries import Stranger, lying, stranger
from tests.e2e.privacy.traces import Traces
from tests.trace_receiver import Got, Receiver, receiving

pytestmark = pytest.mark.timeout(240)
ANNA = USERS[0]
FETCHED, PARSED = "leadmail:mail.fetched.v1.{}", "leadmail:mail.parsed.v1.{}"


def steps(lane: str) -> list[tuple[str, str, str]]:
    """Return the expected trace of a mail, each step the child of the one before: stage, name, kind."""
    fetched, parsed = FETCHED.format(lane), PARSED.format(lane)
    return [
        ("leadmail-poller", "fetch", "client"),
        ("leadmail-poller", f"publish {fetched}", "producer"),
        ("leadmail-parser", f"process {fetched}:parser.mail-fetched.{lane}", "consumer"),
        ("leadmail-parser", f"publish {parsed}", "producer"),
        ("leadmail-matcher", f"process {parsed}:matcher.mail-parsed.{lane}", "consumer"),
        ("leadmail-matcher", "store", "internal"),
    ]


def chain(receiver: Receiver, last: Got) -> list[Got]:
    """Return the spans that led to a span, from the start of its trace."""
    found = [last]
    by_id = {span.id: span for span in receiver.of_trace(last.trace)}
    while found[0].parent:
        found.insert(0, by_id[found[0].parent])
    return found


def stored(receiver: Receiver, lane: str) -> list[Got]:
    """Return the last spans of the mail on a lane."""
    ends = [span for span in receiver.spans if span.name == "store"]
    return [span for span in ends if chain(receiver, span)[0].attributes["leadmail.lane"] == lane]


def lines(company: Deployment, stage: str, event: str) -> list[dict[str, str]]:
    """Return a stage's log lines of an event."""
    return [line for text in company.log(stage).splitlines() if (line := json.loads(text))["event"] == event]


async def attached(company: Deployment, count: int) -> None:
    """Wait until so many mails of Anna's are on the record."""

    async def reached() -> bool:
        counts = await company.store.ledger_counts.counts(company.accounts[ANNA.key])
        return counts.get(RowState.ATTACHED, 0) == count

    await company.until(reached, f"{count} mails are visible")


async def with_mail(company: Deployment, client: Stranger) -> None:
    """Connect a mailbox with a client's mail and an unknown sender's."""
    await company.store.records.add("contact", NewRecord((client.address,)))
    mails = [client.mail(ANNA.addresses[0]), stranger().mail(ANNA.addresses[0])]
    await company.add_user(ANNA, lying(ANNA, "INBOX", mails))
    company.start(*STAGES)

    async def known() -> bool:
        return bool(await company.store.record_addresses.known([client.address.lower()]))

    await company.until(known, "the record is known: else its mail is fetched behind the backfill")
    await company.connect(ANNA)


async def test_one_trace_from_notice_to_visible(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each mail on a record has one trace through all stages, found from the logs; nothing in it can be read."""
    client = stranger()
    with receiving() as receiver:
        tracing = {"LEADMAIL_TRACING_URL": receiver.url, "LEADMAIL_LOG_LEVEL": "debug", "LEADMAIL_LOG_FORMAT": "json"}
        async with deploy(servers, {**environment, **tracing}, tmp_path) as company:
            # given: a mailbox whose backfill was confirmed
            await with_mail(company, client)
            await company.until(company.confirmed, "the backfill is confirmed")
            # when: a mail arrives, and an unreadable message
            sent = time.time_ns()
            await asyncio.to_thread(
                company.servers.deliver, company.addresses[ANNA.key], client.mail(ANNA.addresses[0], 1)
            )
            await attached(company, 2)
            bad = {"ce-type": "leadmail.mail.parsed.v1", "ce-id": client.word}
            await places.send(
                company.environment["LEADMAIL_RABBITMQ_URL"],
                [("mail.parsed.v1.live", bad, client.mail("x@y.example"))],
            )

            async def kept() -> bool:
                return await company.store.dead_letters.count() == 1

            await company.until(kept, "what cannot be read is in the dead letters")
            assert company.end() == dict.fromkeys(STAGES, 0)
        # then: each mail has one trace with every step, one after the other
        for lane in ("backfill", "live"):
            (last,) = stored(receiver, lane)
            trace = chain(receiver, last)
            assert [(span.service, span.name, span.kind) for span in trace] == steps(lane)
            assert trace == [span for span in receiver.of_trace(last.trace) if "sync.completed" not in span.name]
            assert_logged(company, trace)
        # of live mail it begins when the server said so, and ends when the mail was visible
        assert trace[0].start > sent
        assert trace[0].start <= trace[0].events["FETCH"] <= trace[0].end <= last.events["visible"] <= last.end
        # and the confirmation, and what died, have theirs
        assert {span.service for span in receiver.spans if "notifier.sync-completed" in span.name} == {
            "leadmail-notifier"
        }
        dead = [span for span in receiver.spans if span.attributes.get("leadmail.outcome") == "dead"]
        assert [(span.failed, span.attributes["leadmail.reason"]) for span in dead] == [(True, "undecodable")]
        assert [span.name for span in receiver.of_trace(dead[0].trace)[1:]] == ["process leadmail.dead-letters"]
        # and nothing of the mail, nor a credential, is in any of them
        secrets = [*company.passwords.values(), company.environment["LEADMAIL_SECRET_KEY"]]
        said = [("a span", raw) for raw in receiver.raw]
        people = [client.address, client.message_id, *ANNA.addresses, *company.addresses.values()]
        assert Traces([client.word, *ANNA.addresses, ANNA.name, *secrets], people).among(said) == []
        assert Traces([last.attributes["leadmail.email"]]).among(said), "looking finds what is there"


def assert_logged(company: Deployment, trace: list[Got]) -> None:
    """Check that the last span names copy and email, and that the log of each stage names the trace of that copy."""
    last, copy = trace[-1], trace[0].attributes["leadmail.copy"]
    assert last.attributes.keys() == {"leadmail.copy", "leadmail.state", "leadmail.email"}
    assert (last.attributes["leadmail.copy"], last.attributes["leadmail.state"]) == (copy, "attached")
    assert trace[0].attributes["leadmail.account"] == company.accounts[ANNA.key]
    (published,) = [line for line in lines(company, "poller", "mail published") if line["copy"] == copy]
    (parsed,) = [line for line in lines(company, "parser", "message handled") if line["id"].startswith(copy)]
    (done,) = [line for line in lines(company, "matcher", "copy done") if line["copy"] == copy]
    assert done["email"] == last.attributes["leadmail.email"]
    assert [line["trace_id"] for line in (published, parsed, done)] == [last.trace] * 3


async def test_mail_does_not_wait_for_a_collector(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path
) -> None:
    """Whether the collector is silent or not there, mail becomes visible, and each stage exits 0."""
    client = stranger()
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as silent:
        tracing = {
            "LEADMAIL_TRACING_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "LEADMAIL_SHUTDOWN_SECONDS": "6",
        }
        async with deploy(servers, {**environment, **tracing}, tmp_path) as company:
            await with_mail(company, client)
            company.environment["LEADMAIL_TRACING_URL"] = f"http://127.0.0.1:{free_port()}"
            company.start("poller:absent", "parser:absent", "matcher:absent")
            await company.until(company.confirmed, "the backfill is confirmed")
            await asyncio.to_thread(
                company.servers.deliver, company.addresses[ANNA.key], client.mail(ANNA.addresses[0], 1)
            )
            await attached(company, 2)

            async def lost() -> bool:
                logs = list(map(company.log, company.running))
                return "traces cannot be delivered" in "".join(logs) and all('"running"' in log for log in logs)

            await company.until(lost, "all stages run and log that traces are lost")
            assert set(company.end().values()) == {0}
