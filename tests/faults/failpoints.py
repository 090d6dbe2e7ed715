"""Failpoints: a named place before and after every durable step of a stage, at which its process kills itself (SIGKILL).

They sit at the four borders that every durable step has to cross, not in the code that makes the step: the driver of the database
(write commands and commits), the AMQP library (what is published, confirmed, acknowledged), the SMTP library (what is sent).
Their names are derived there, so a new step has a failpoint automatically:

    ledger_matcher.final          the method of `services/store` that writes; with the collection where the module has several
    publish.mail.parsed.v1.live   a message is sent to the broker, by routing key; `publish.retry`, `publish.dead`
    confirm.mail.parsed.v1.live   the broker's confirmation of it
    ack.matcher.mail-parsed.live  an acknowledgement, by queue
    smtp.send                     a mail is sent to the mail server

Nothing of this is in the services, nor in what is installed: a stage has failpoints only when it is run by `nursery.py`, and they do
nothing without `LEADMAIL_FAILPOINT` in its environment (see `Plan`).
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import aiosmtplib
from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pymongo import monitoring

from schemas.routes import DEAD_EXCHANGE, RETRY_EXCHANGE
from services.store.core.fence import Fence

ROOT = Path(__file__).parents[2]
STORE = f"{ROOT}/services/store/"
PLUMBING = frozenset({"fence", "bulk"})
"""Modules of the store through which others write."""
WRITES = frozenset({"insert", "update", "delete", "findAndModify", "commitTransaction"})
_FLUSH = 6
"""Turns of the event loop after which what was handed to a connection is on the wire."""


class Site(NamedTuple):
    """Where a write happens, and the failpoint's name."""

    name: str
    place: str
    """Module and function of the store, e.g. `ledger_poller._insert`."""


def _frames(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Iterate over the functions of the store that are under way, the innermost first, as (module, function)."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(STORE):
            function = code.co_qualname.split(".<locals>")[0].rpartition(".")[2]
            yield Path(code.co_filename).stem, function
        frame = frame.f_back


def site(collection: str) -> Site:
    """Return the writer of a collection: the innermost method of the store that is not plumbing."""
    frames = [(module, function) for module, function in _frames(sys._getframe(1)) if module not in PLUMBING]
    if not frames:
        return Site(f"unknown/{collection}", "unknown")
    module, function = next((each for each in frames if not each[1].startswith("_")), frames[0])
    simple = collection.rpartition(".")[2]
    name = f"{module}.{function.lstrip('_')}"
    return Site(name if not collection or simple in module else f"{name}/{simple}", ".".join(frames[0]))


def mark(stage: str, name: str, moment: str) -> str:
    """Return the name of the file that a death leaves."""
    return f"{stage} {name} {moment}".replace("/", "-")


@dataclass
class Plan:
    """The failpoints that the environment sets for this process.

    `LEADMAIL_FAILPOINT` lists where to die: `<stage>:<name>:<before|after>[:<which time>]`, separated by blanks.
    `LEADMAIL_FAILPOINT_MARKS` names a folder in which each death leaves a mark, so that the next process passes it.
    `LEADMAIL_FAILPOINT_TRACE` names a file to which every failpoint is written that is passed.
    """

    stage: str
    deaths: dict[tuple[str, str], int] = field(default_factory=dict)
    marks: Path = Path()
    trace: Path | None = None
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, stage: str, environ: dict[str, str]) -> Plan:
        """Return the plan of a stage.

        Raises:
            ValueError: it cannot be understood.
        """
        plan = cls(stage, marks=Path(environ.get("LEADMAIL_FAILPOINT_MARKS", "")))
        for text in environ.get("LEADMAIL_FAILPOINT", "").split():
            whose, name, moment, *times = text.split(":")
            if moment not in {"before", "after"}:
                raise ValueError(f"LEADMAIL_FAILPOINT: {text} must be <stage>:<name>:<before|after>[:<which time>]")
            if whose == stage:
                plan.deaths[name, moment] = int(times[0]) if times else 1
        if plan.deaths and not plan.marks.is_dir():
            raise ValueError("LEADMAIL_FAILPOINT_MARKS must name a folder")
        if trace := environ.get("LEADMAIL_FAILPOINT_TRACE"):
            plan.trace = Path(trace)
        return plan

    def passing(self, name: str, moment: str, place: str = "") -> None:
        """Die here if the plan says so."""
        line = f"{self.stage} {name} {moment} {place}\n"
        if self.trace is not None and line not in self.seen:
            self.seen.add(line)
            with self.trace.open("a") as file:
                file.write(line)
        if (left := self.deaths.get((name, moment))) is None:
            return
        self.deaths[name, moment] = left - 1
        if left == 1:
            try:
                (self.marks / mark(self.stage, name, moment)).touch(exist_ok=False)
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

    def passing_soon(self, names: list[str], moment: str) -> None:
        """Die when what was just handed to a connection has been sent."""
        loop = asyncio.get_running_loop()

        def later(turns: int) -> None:
            if turns:
                loop.call_soon(later, turns - 1)
                return
            for name in names:
                self.passing(name, moment)

        later(_FLUSH)


class MongoBorder(monitoring.CommandListener):
    """Sees every command to the database and every answer."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._under_way: dict[int, Site] = {}
        self._transaction: contextvars.ContextVar[Site | None] = contextvars.ContextVar("transaction", default=None)
        self._wrap_transactions()

    def _wrap_transactions(self) -> None:
        """Note the caller of a transaction: it runs in its own task, which does not show the caller."""
        original, current = Fence.transaction, self._transaction

        async def transaction(fence: Fence, *arguments: Any, **named: Any) -> Any:
            token = current.set(site(""))
            try:
                return await original(fence, *arguments, **named)
            finally:
                current.reset(token)

        Fence.transaction = transaction  # type: ignore[method-assign, assignment]

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Pass the failpoint before a write; what is in a transaction becomes durable with its commit only."""
        if event.command_name not in WRITES:
            return
        if event.command_name == "commitTransaction":
            found = self._transaction.get() or site("")
        else:
            found = site(str(event.command[event.command_name]))
            if "txnNumber" in event.command and event.command.get("autocommit") is False:
                self._plan.passing(found.name, "within", found.place)
                return
        self._under_way[event.request_id] = found
        self._plan.passing(found.name, "before", found.place)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Pass the failpoint after a write: the database has it, we do not know yet."""
        if (found := self._under_way.pop(event.request_id, None)) is not None:
            self._plan.passing(found.name, "after", found.place)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Forget a write that failed."""
        self._under_way.pop(event.request_id, None)


class BrokerBorder:
    """Sees every frame to the broker and its confirmations."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._queues: dict[int, str] = {}
        """By channel: what is consumed there."""
        self._published: dict[int, list[str]] = {}
        """By channel: what was published there, in order."""
        self._wrap_frames()
        self._wrap_confirmations()

    def _wrap_frames(self) -> None:
        original = ChannelFrame.marshall.__func__  # type: ignore[attr-defined]

        def marshall(cls: type[ChannelFrame], channel_number: int, frames: Any, *arguments: Any, **named: Any) -> Any:
            frames = list(frames)
            names = list(dict.fromkeys(name for frame in frames if (name := self._name(channel_number, frame))))
            for name in names:
                self._plan.passing(name, "before")
            if names:
                self._plan.passing_soon(names, "after")
            return original(cls, channel_number, frames, *arguments, **named)

        ChannelFrame.marshall = classmethod(marshall)  # type: ignore[method-assign, assignment]

    def _name(self, number: int, frame: Any) -> str | None:
        match frame:
            case spec.Confirm.Select():
                self._published[number] = []
            case spec.Basic.Consume(queue=queue):
                self._queues[number] = queue
            case spec.Basic.Publish(exchange=exchange, routing_key=key):
                what = {RETRY_EXCHANGE: "retry", DEAD_EXCHANGE: "dead"}.get(exchange, key)
                self._published.setdefault(number, []).append(what)
                return f"publish.{what}"
            case spec.Basic.Ack() | spec.Basic.Nack() | spec.Basic.Reject():
                return f"ack.{self._queues[number]}"
        return None

    def _wrap_confirmations(self) -> None:
        original = Channel._confirm_delivery

        def confirm(channel: Channel, tag: int, frame: Any) -> None:
            name = f"confirm.{self._published[channel.number][tag - 1]}"
            self._plan.passing(name, "before")
            original(channel, tag, frame)
            self._plan.passing_soon([name], "after")

        Channel._confirm_delivery = confirm  # type: ignore[method-assign, assignment]


def watch_mail(plan: Plan) -> None:
    """Observe every mail that is sent."""
    original = aiosmtplib.SMTP.sendmail

    async def sendmail(client: aiosmtplib.SMTP, *arguments: Any, **named: Any) -> Any:
        plan.passing("smtp.send", "before")
        answer = await original(client, *arguments, **named)
        plan.passing("smtp.send", "after")
        return answer

    aiosmtplib.SMTP.sendmail = sendmail  # type: ignore[method-assign]


def install(stage: str) -> None:
    """Install the failpoints in this process, as its environment says."""
    plan = Plan.of(stage, dict(os.environ))
    if plan.deaths or plan.trace:
        monitoring.register(MongoBorder(plan))
        BrokerBorder(plan)
        watch_mail(plan)
