"""The pool of worker processes: real processes, some of which a mail kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from schemas.errors import PermanentError
from schemas.raw_mail import split_raw
from services.parser.content.parse import ParsedMail, parse_mail
from services.parser.worker_pool import WorkerPool
from services.parser.worker_process import WorkerStartError
from services.parser.worker_protocol import WorkerBugError
from tests.parser.samples import ACCOUNT, RECEIVED, mail, mixed, part

SECONDS = 1.5
MODULE = "tests.parser.failing_worker"
LOG = structlog.get_logger("test")


def pool_of(workers: int, *, seconds: float = SECONDS, module: str = MODULE) -> WorkerPool:
    """Return a pool whose workers obey what a mail's body says."""
    return WorkerPool(workers=workers, seconds=seconds, memory_mb=512, log=LOG, module=module)


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """One worker for all mail, and the one for urgent mail."""
    async with pool_of(1) as running:
        yield running


async def ask(pool: WorkerPool, body: bytes, *, urgent: bool = False) -> ParsedMail:
    """Have a mail with a body parsed."""
    return await pool.parse(mail(body), account=ACCOUNT, internal_date=RECEIVED, urgent=urgent)


def children() -> set[int]:
    """Return the ids of this process's children that are workers: the servers of the whole run are its children too."""
    found: set[int] = set()
    for thread in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.update(map(int, (thread / "children").read_text().split()))
    return {child for child in found if b"tests.parser." in command(child)}


def command(pid: int) -> bytes:
    """Return the command line of a process, nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def environment(pid: int) -> bytes:
    """Return the environment of a process."""
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_worker_says_what_the_parser_says(pool: WorkerPool) -> None:
    """What comes back from the process is what the parser returns: content, Bcc, blobs."""
    raw = mixed(part(b"Hello", b"Content-Type: text/plain"), part(b"\x00\xff", b"Content-Type: image/png"))
    raw = raw.replace(b"Subject:", b"Bcc: secret@x.example\r\nSubject:")
    answer = await pool.parse(raw, account=ACCOUNT, internal_date=RECEIVED, urgent=False)
    assert answer == parse_mail(raw, account=ACCOUNT, internal_date=RECEIVED)
    assert answer.bcc == ("secret@x.example",)
    assert list(answer.blobs.values()) == [split_raw(raw)[0], b"\x00\xff"]


async def test_many_mails_come_back_each_to_its_own(pool: WorkerPool) -> None:
    """A backlog is handed out in batches; every answer belongs to its question."""
    answers = await asyncio.gather(*(ask(pool, b"mail %d" % number) for number in range(200)))
    assert [answer.content.text for answer in answers] == [f"mail {number}" for number in range(200)]


async def test_large_mail_passes_through_the_pipes(pool: WorkerPool) -> None:
    """A mail far larger than a pipe's buffer, beside others, does not block."""
    body = os.urandom(1 << 16).hex().encode() * 40
    large, small = await asyncio.gather(ask(pool, body), ask(pool, b"small"))
    assert large.content.marks.truncated
    assert small.content.text == "small"


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"CRASH", "parser-died"), (b"KILL", "parser-died"), (b"MEMORY", "parser-died"), (b"SLEEP", "parser-timeout")],
)
async def test_killer_is_given_up_and_its_neighbours_are_not(pool: WorkerPool, body: bytes, reason: str) -> None:
    """A mail that kills its worker each time ends with a reason; mails of the same batch are parsed."""
    bodies = [b"before", body, b"after", b"after that"]
    answers = await asyncio.gather(*(ask(pool, each) for each in bodies), return_exceptions=True)
    assert [answer.content.text for answer in answers if isinstance(answer, ParsedMail)] == [
        "before",
        "after",
        "after that",
    ]
    assert isinstance(answers[1], PermanentError)
    assert answers[1].reason == reason
    assert (await ask(pool, b"later")).content.text == "later"


async def test_slow_mail_is_read_more_carefully_the_second_time(pool: WorkerPool) -> None:
    """What took too long is tried again without what may take long, and then succeeds."""
    assert (await ask(pool, b"SLOW UNLESS CAREFUL")).content.text == "SLOW UNLESS CAREFUL"


async def test_an_error_in_the_parser_has_its_place_but_no_text(pool: WorkerPool) -> None:
    """An exception comes back with its place and without its text, which may quote the mail; the worker stays alive."""
    before = children()
    with pytest.raises(WorkerBugError, match=r"^ValueError at failing_worker\.py:\d+$"):
        await ask(pool, b"RAISE")
    assert children() == before


async def test_a_killed_worker_loses_no_mail(pool: WorkerPool) -> None:
    """A worker that is killed from outside is replaced; the next one does its work."""
    answers = asyncio.gather(*(ask(pool, b"PAUSE 0.3") for _ in range(4)))
    await ask(pool, b"PAUSE 0.1", urgent=True)  # by now the other worker has its batch
    for child in children():
        os.kill(child, signal.SIGKILL)
    assert [answer.content.text for answer in await answers] == ["PAUSE 0.3"] * 4


async def test_urgent_mail_does_not_wait_for_the_backlog() -> None:
    """While every other worker is busy with slow mail, urgent mail is parsed."""
    async with pool_of(1, seconds=30) as pool:
        backlog = [asyncio.create_task(ask(pool, b"SLEEP")) for _ in range(40)]
        await asyncio.sleep(0)
        await ask(pool, b"urgent", urgent=True)
        assert not any(task.done() for task in backlog)
        for task in backlog:
            task.cancel()
        await asyncio.gather(*backlog, return_exceptions=True)


async def test_urgent_mail_overtakes_in_every_worker() -> None:
    """A worker that becomes free takes urgent mail before older mail of the backlog."""
    async with pool_of(1, seconds=30) as pool:
        order: list[bytes] = []

        async def note(body: bytes, *, urgent: bool) -> None:
            await ask(pool, body, urgent=urgent)
            order.append(body)

        busy = [asyncio.create_task(note(b"PAUSE 0.2", urgent=True)) for _ in range(2)]
        await asyncio.sleep(0)
        late = [asyncio.create_task(note(b"old %d" % number, urgent=False)) for number in range(3)]
        await asyncio.sleep(0)
        late.append(asyncio.create_task(note(b"new", urgent=True)))
        await asyncio.gather(*busy, *late)
        assert order.index(b"new") < order.index(b"old 0")


async def test_no_process_is_left_behind() -> None:
    """When the pool ends its processes end, also one that is at work."""
    before = children()
    async with pool_of(2) as pool:
        task = asyncio.create_task(ask(pool, b"SLEEP"))
        await ask(pool, b"hello", urgent=True)
        assert len(children() - before) == 3
        task.cancel()
    assert children() == before


async def test_worker_has_none_of_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a worker has no setting of Leadmail in it."""
    monkeypatch.setenv("LEADMAIL_SECRET_KEY", "very secret")
    before = children()
    async with pool_of(1):
        for child in children() - before:
            assert b"LEADMAIL" not in environment(child)


async def test_pool_whose_workers_do_not_start_says_so() -> None:
    """A worker that cannot start is an error of the installation, no mail's."""
    before = children()
    with pytest.raises(WorkerStartError):
        async with pool_of(1, module="tests.parser.no_such_module"):
            pass
    assert children() == before
