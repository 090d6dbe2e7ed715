"""What hinders an account is stored while it lasts, and its work goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from schemas.accounts import AccountState, Lease, Trouble
from services.mailbox.connection import Code, MailServerError, SealError
from services.mailbox.imap import ConnectionLostError, ContradictionError, RefusedError, Wakeup
from services.poller import recovery
from services.poller.connections.backoff import ConnectionBackoff
from services.poller.connections.connection_slots import ConnectionSlots
from services.poller.connections.troubles import Troubles
from services.poller.copies.account_context import AccountContext
from services.poller.recovery import Recovery
from services.runtime.tasks import cancel_and_wait
from services.store import Store
from tests.conftest import MailUser
from tests.poller.conftest import LOG
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy


class Task:
    """A task that fails as the test wants, and otherwise waits."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.once = False
        self.runs = 0
        self.changed = asyncio.Event()

    async def __call__(self) -> None:
        """Fail, or wait for a change."""
        self.runs += 1
        if self.error is not None:
            error, self.error = self.error, None if self.once else self.error
            raise error
        self.changed.clear()
        await self.changed.wait()

    def fail(self, error: Exception | None) -> None:
        """Fail with this from now on; None to work."""
        self.error = error
        self.changed.set()


@asynccontextmanager
async def recovering(context: AccountContext) -> AsyncIterator[tuple[Recovery, Task, Task]]:
    """Run a backfill and live mail that fail as the test wants."""

    async def connect(_: object) -> Any:
        raise AssertionError("not called")

    backoff = ConnectionBackoff()
    made = Recovery(context, backoff, ConnectionSlots(connect, backoff, 2), Wakeup())
    background, live = Task(), Task()
    running = [
        asyncio.create_task(made.keep_running(background, "background", lambda: "backfill")),
        asyncio.create_task(made.keep_running(live, "live", lambda: "live")),
    ]
    yield made, background, live
    await cancel_and_wait(*running)


async def test_what_waits_for_one_mail_is_shown_since_it_began(context: AccountContext) -> None:
    """A task that works but for one mail keeps its trouble, with the time that it started, however often it ends."""
    made = Recovery(context, ConnectionBackoff(), None, Wakeup())  # type: ignore[arg-type]
    seen = list[datetime]()

    async def task() -> None:
        await asyncio.sleep(0)

    async def waits() -> None:
        await made.troubles.waits("background", folder="f" * 12, next_try=datetime.now(UTC))
        found = (await context.store.accounts.get(context.account.id)).trouble
        assert found is not None
        assert (found.code, found.phase, found.folder) == ("unavailable", "backfill", "f" * 12)
        seen.append(found.since)

    running = asyncio.create_task(made.keep_running(task, "background", lambda: "backfill", then=waits))
    while len(seen) < 3 and not running.done():  # noqa: ASYNC110 - it runs over and over
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(set(seen)) == 1


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr(recovery, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(recovery, "LONGEST_PAUSE", 0.1)


async def shown(context: AccountContext) -> Trouble | None:
    """Return what is stored."""
    return (await context.store.accounts.get(context.account.id)).trouble


async def becomes(context: AccountContext, condition: Callable[[Trouble | None], bool], what: str) -> Trouble | None:
    """Wait for what is stored."""

    async def reached() -> bool:
        return condition(await shown(context))

    await until(reached, what)
    return await shown(context)


FAILURES: list[tuple[Exception, str, str]] = [
    (RefusedError("UID command error: NO [b'[UNAVAILABLE] Backend error']"), "backfill", "unavailable"),
    (RefusedError("BAD Request is throttled."), "backfill", "throttled"),
    (RefusedError("NO [CANNOT] Never"), "backfill", "command-refused"),
    (ContradictionError("no-inbox", "LIST has no INBOX"), "backfill", "no-inbox"),
    (ConnectionLostError("the server closed the connection"), "backfill", "connection-lost"),
    (MailServerError(Code.TIMEOUT, "nobody answers"), "connect", "timeout"),
    (SealError("sealed under key x"), "connect", "wrong-secret-key"),
    (KeyError("canary"), "backfill", "internal-error"),
]


@pytest.mark.parametrize(
    ("error", "phase", "code"), FAILURES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_failure_is_shown_while_it_lasts(
    context: AccountContext, error: Exception, phase: str, code: str
) -> None:
    """Every failure has its code, its phase, since when, and when it is tried again; it goes when the work goes on."""
    async with recovering(context) as (made, background, _):
        background.fail(error)
        trouble = await becomes(context, lambda now: now is not None, "shown")
        assert trouble is not None
        assert (trouble.phase, trouble.code) == (phase, code)
        assert trouble.since <= trouble.next_try  # type: ignore[operator]
        assert "canary" not in trouble.detail
        count = background.runs
        await until(lambda: background.runs > count + 1, "tried again")
        background.fail(None)
        if phase == "connect":
            await made.worked("connect")
        await until(lambda: background.error is None and not background.changed.is_set(), "works")
        await made.worked("background")
        await becomes(context, lambda now: now is None, "over")


async def test_a_connection_that_is_lost_once_is_no_trouble(context: AccountContext) -> None:
    """Servers close connections now and then. Only what happens again at once is shown."""
    async with recovering(context) as (_, background, _live):
        background.once = True
        background.fail(ConnectionLostError("closed"))
        await until(lambda: background.error is None and not background.changed.is_set(), "works again")
    assert await shown(context) is None


async def test_the_oldest_of_two_troubles_is_shown_and_a_failed_login_before_both(context: AccountContext) -> None:
    """One account may have several troubles: what lasts longest is shown, then the next when that is over."""
    async with recovering(context) as (made, background, live):
        background.fail(ContradictionError("empty-folder-contradicted", "nothing found", folder="0" * 12))
        first = await becomes(context, lambda now: now is not None, "backfill's")
        assert first is not None
        assert first.folder == "0" * 12
        live.fail(RefusedError("NO [UNAVAILABLE] later"))
        await until(lambda: live.runs > 2, "live fails")
        assert (await shown(context)).phase == "backfill"  # type: ignore[union-attr]
        background.fail(None)
        await made.worked("background")
        await becomes(context, lambda now: now is not None and now.phase == "live", "live's")


class Stored:
    """Where troubles are stored: each write waits until the test lets it end, well or not."""

    def __init__(self) -> None:
        self.account_troubles = self
        self.writes: list[str | None] = []
        self.ends = asyncio.Queue[Exception | None]()

    async def note(self, _lease: object, trouble: Trouble | None) -> None:
        """Store a trouble."""
        if (error := await self.ends.get()) is not None:
            raise error
        self.writes.append(None if trouble is None else trouble.code)


def troubles_of(stored: Stored) -> Troubles:
    """Return the troubles of an account that has none."""
    return Troubles(cast("Store", stored), cast("Lease", None), None, LOG)


async def test_what_could_not_be_stored_is_stored_later() -> None:
    """A database that is down for a moment: the trouble does not stay shown for ever after the work goes on."""
    stored = Stored()
    troubles = troubles_of(stored)
    for error in (None, OSError("down"), None, None):
        stored.ends.put_nowait(error)
    await troubles.note("background", "folders", "too-much-data", "", pause=1)
    await troubles.worked("background")
    assert stored.writes == ["too-much-data"]
    await troubles.worked("live")
    assert stored.writes == ["too-much-data", None]
    await troubles.worked("live")
    assert stored.ends.qsize() == 1, "nothing is stored twice"


async def test_what_is_stored_last_is_how_it_is() -> None:
    """A trouble that another task ends while it is being stored is over in the end."""
    stored = Stored()
    troubles = troubles_of(stored)
    noting = asyncio.create_task(troubles.note("connect", "connect", "timeout", "", pause=1))
    await asyncio.sleep(0)
    ending = asyncio.create_task(troubles.worked("connect"))
    await asyncio.sleep(0)
    for _ in range(2):
        stored.ends.put_nowait(None)
    await asyncio.gather(noting, ending)
    assert stored.writes == ["timeout", None]


async def test_what_an_earlier_poller_left_ends_when_the_work_goes_on(context: AccountContext) -> None:
    """A poller dies with a trouble stored: the next one keeps it until its own work succeeds."""
    trouble = Trouble(code="throttled", phase="backfill", since=context.account.created_at)
    await context.store.account_troubles.note(context.lease, trouble)
    context.account = await context.store.accounts.get(context.account.id)
    async with recovering(context) as (made, _background, _):
        await made.worked("live")
        assert await shown(context) is not None
        await made.worked("background")
        assert await shown(context) is None


async def test_the_pause_that_a_server_asks_for_is_kept(context: AccountContext) -> None:
    """Exchange's hint in a refused command or a closed connection is when it is tried again."""
    for error in (RefusedError, ConnectionLostError):
        async with recovering(context) as (made, background, _):
            background.fail(error("Request is throttled. Suggested Backoff Time: 299961 milliseconds"))
            await until(lambda background=background: background.runs == 1, "failed")
            if error is RefusedError:
                trouble = await becomes(context, lambda now: now is not None, "shown")
                assert trouble is not None
                assert trouble.next_try is not None
                assert (trouble.next_try - trouble.since).total_seconds() >= 299
            await asyncio.sleep(0.3)
            assert background.runs == 1
            await made.worked("background")


async def test_an_outage_is_shown_and_ends(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A server that is down: the account stays active and says why; it says nothing any more when the server is back."""
    await world.know(CLIENT)
    mailbox.append(mail(CLIENT))
    async with proxy("127.0.0.1", 1) as wire:  # no server listens behind it
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()

        async def trouble() -> Trouble | None:
            return (await world.store.accounts.get(account.id)).trouble

        await until(trouble, "trouble", world)
        found = await world.store.accounts.get(account.id)
        assert found.state is AccountState.ACTIVE
        assert found.trouble is not None
        assert (found.trouble.phase, found.trouble.code) == ("connect", "unavailable")
        wire.target = (world.servers.imap.host, world.servers.imap.port)
        await world.complete(account)

        async def over() -> bool:
            return await trouble() is None

        await until(over, "over", world)


async def test_a_wrong_secret_key_is_shown(
    world: PollerEnvironment, mailbox: Mailbox, new_mail_user: Callable[..., MailUser]
) -> None:
    """Credentials that another secret sealed stop an account: it says so. The poller starts, because it can open others."""
    await world.connect(new_mail_user())
    account = await world.connect(mailbox.user)
    other = account.credentials.model_copy(update={"wrapped_key": bytes(len(account.credentials.wrapped_key))})
    await world.store.accounts.save_credentials(account.id, other, by="test")
    world.start_poller()

    async def stopped() -> bool:
        found = (await world.store.accounts.get(account.id)).trouble
        return found is not None and (found.phase, found.code) == ("connect", "wrong-secret-key")

    await until(stopped, "shown", world)
