"""Which faults happen when, from a seed; and how each is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from testbed.chaos.world.network import Network
from testbed.chaos.world.owners import ACTS, LOCKOUT, MEMBERS, PASSWORD, PAUSE, RESYNC, Owners
from testbed.chaos.world.proxy import Mood
from testbed.chaos.world.replicas import Replicas
from testbed.chaos.world.token_faults import TOKEN_FAULTS, TokenFaults

KILL, FREEZE = "kill", "freeze"
CUT, STALL, SLOW = "cut", "stall", "slow"
THROTTLE, LIE = "throttle", "lie"
BROKER_RESTART, BROKER_KILL = "broker restart", "broker kill"
STEP_DOWN, PRIMARY_KILL, SECONDARY_KILL = "step-down", "primary kill", "secondary kill"
IMAP_KILL, SMTP_KILL = "imap kill", "smtp kill"

KINDS: Final[Mapping[str, int]] = {
    KILL: 30, FREEZE: 8, CUT: 14, STALL: 8, SLOW: 6, BROKER_RESTART: 3, BROKER_KILL: 3,
    STEP_DOWN: 5, PRIMARY_KILL: 4, SECONDARY_KILL: 2, IMAP_KILL: 3, SMTP_KILL: 3, RESYNC: 6, PAUSE: 6,
    THROTTLE: 5, LIE: 5, MEMBERS: 6,
}  # fmt: skip
"""With how often each happens, relative to one another."""
ONCE: Final = (PASSWORD, LOCKOUT, *TOKEN_FAULTS)
"""Come once a scenario each."""
EMPHASES: Final[Mapping[str, frozenset[str]]] = {
    "everything": frozenset(),
    "processes": frozenset({KILL, FREEZE}),
    "network": frozenset({CUT, STALL, SLOW}),
    "servers": frozenset(
        {BROKER_RESTART, BROKER_KILL, STEP_DOWN, PRIMARY_KILL, SECONDARY_KILL, IMAP_KILL, SMTP_KILL, THROTTLE, LIE}
    ),
}
"""Scenarios take turns in what they have three times as much of."""
_MOODS = {CUT: Mood.CUT, STALL: Mood.STALLED, SLOW: Mood.SLOW, THROTTLE: Mood.THROTTLING, LIE: Mood.LYING}


class Fault(NamedTuple):
    """One fault."""

    at: float
    """Seconds from the start."""
    kind: str
    target: str
    seconds: float
    """How long it lasts."""

    def __str__(self) -> str:
        """Return it as a line of the log."""
        return f"{self.at:6.1f} s  {self.kind} {self.target} for {self.seconds:.1f} s".replace("  for", " for")


def plan(
    numbers: Random,
    replicas: Sequence[str],
    links: Sequence[str],
    colleagues: Sequence[str],
    *,
    seconds: float,
    gap: float,
    lease: float,
    emphasis: str = "everything",
) -> list[Fault]:
    """Return the faults of a scenario.

    Args:
        numbers: source of every choice.
        replicas: names of processes.
        links: names of links.
        colleagues: with a mailbox, in the order in which they are connected. The first signs in; the passwords of one or two
            after that change; the last one's mailbox is opened in Leadmail's own name.
        seconds: within which faults begin.
        gap: mean seconds between two.
        lease: seconds for which a poller that is frozen keeps its accounts.
        emphasis: one of ``EMPHASES``.
    """
    much = EMPHASES[emphasis]
    weights = [weight * (3 if kind in much else 1) for kind, weight in KINDS.items()]
    faults: list[Fault] = []
    at = numbers.expovariate(1 / gap)
    while at < seconds:
        kind = numbers.choices(list(KINDS), weights)[0]
        if kind in ACTS:
            faults.append(Fault(at, kind, numbers.choice(colleagues), numbers.uniform(0.5, 8)))
        else:
            faults.append(_fault(at, kind, numbers, replicas, links, lease))
        at += numbers.expovariate(1 / gap)
    early = colleagues[1 : 1 + max(1, len(colleagues) // 3)]
    faults += [
        Fault(numbers.uniform(0.3, 0.7) * seconds, kind, numbers.choice(early), numbers.uniform(0, 8)) for kind in ONCE
    ]
    return sorted(faults)


def _fault(  # noqa: PLR0917 - see plan
    at: float, kind: str, numbers: Random, replicas: Sequence[str], links: Sequence[str], lease: float
) -> Fault:
    if kind == KILL:
        return Fault(at, kind, numbers.choice(replicas), numbers.uniform(0, 3))
    if kind == FREEZE:
        return Fault(at, kind, numbers.choice(replicas), lease + numbers.uniform(1, 6))
    if kind in (THROTTLE, LIE):
        return Fault(at, kind, "poller~imap", numbers.uniform(0.5, 8))
    if kind in _MOODS:
        return Fault(at, kind, numbers.choice(links), numbers.uniform(0.3, 8))
    return Fault(at, kind, "", numbers.uniform(0.5, 6))


class Injector:
    """Does faults to a company."""

    def __init__(
        self,
        network: Network,
        *,
        owners: Owners,
        tokens: TokenFaults,
        replicas: Replicas,
        say: Callable[[str], None],
    ) -> None:
        self._network = network
        self._servers = network.servers
        self._owners = owners
        self._tokens = tokens
        self._replicas = replicas
        self._say = say
        self._turns = {part: asyncio.Lock() for part in ("rabbitmq", "mongo", "dovecot", "smtp")}
        self._frozen: dict[str, int] = {}
        self.done: list[Fault] = []
        """Those that happened: there may be no primary to step down."""

    async def run(self, faults: Sequence[Fault]) -> None:
        """Do the faults at their times; returns when the last is over, everything runs and every link is clear."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, began + fault.at - asyncio.get_running_loop().time()))
                self._say(str(fault))
                group.create_task(self._do(fault))
        self._network.clear()

    async def _do(self, fault: Fault) -> None:
        ways: dict[str, Callable[[Fault], Awaitable[bool]]] = {
            KILL: self._kill, FREEZE: self._freeze, CUT: self._disturb, STALL: self._disturb, SLOW: self._disturb,
            THROTTLE: self._disturb, LIE: self._disturb,
            BROKER_RESTART: self._broker, BROKER_KILL: self._broker, STEP_DOWN: self._step_down,
            PRIMARY_KILL: self._member, SECONDARY_KILL: self._member, IMAP_KILL: self._part, SMTP_KILL: self._part,
            **dict.fromkeys(ACTS, self._act), **dict.fromkeys(TOKEN_FAULTS, self._sign_in),
        }  # fmt: skip
        if await ways[fault.kind](fault):
            self.done.append(fault)

    async def _act(self, fault: Fault) -> bool:
        return await self._owners.act(fault.kind, fault.target, fault.seconds)

    async def _sign_in(self, fault: Fault) -> bool:
        return await self._tokens.do(fault.kind, fault.seconds)

    async def _kill(self, fault: Fault) -> bool:
        replica = self._replicas.named(fault.target)
        replica.kill()
        await asyncio.sleep(fault.seconds)
        replica.start()
        return True

    async def _freeze(self, fault: Fault) -> bool:
        replica = self._replicas.named(fault.target)
        replica.freeze()
        await asyncio.sleep(fault.seconds)
        replica.thaw()
        return True

    async def _disturb(self, fault: Fault) -> bool:
        self._network.set(fault.target, _MOODS[fault.kind])
        await asyncio.sleep(fault.seconds)
        self._network.set(fault.target, Mood.CLEAR)
        return True

    async def _broker(self, fault: Fault) -> bool:
        end = self._servers.kill if fault.kind == BROKER_KILL else self._servers.stop
        async with self._turns["rabbitmq"]:
            await self._down("rabbitmq", fault.seconds, end)
        return True

    async def _down(self, part: str, seconds: float, end: Callable[[str], None]) -> None:
        await asyncio.to_thread(end, part)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._servers.start, part)

    async def _step_down(self, _fault: Fault) -> bool:
        async with self._turns["mongo"]:
            return await asyncio.to_thread(self._servers.replica_set.step_down)

    async def _member(self, fault: Fault) -> bool:
        async with self._turns["mongo"]:
            primary = await asyncio.to_thread(self._servers.replica_set.primary)
            if primary is None:
                return False
            number = primary if fault.kind == PRIMARY_KILL else (primary + 1) % len(self._servers.replica_set.members)
            await self._down(f"mongo-{number + 1}", fault.seconds, self._servers.kill)
        return True

    async def _part(self, fault: Fault) -> bool:
        part = "dovecot" if fault.kind == IMAP_KILL else "smtp"
        async with self._turns[part]:
            await self._down(part, fault.seconds, self._servers.kill)
        return True
