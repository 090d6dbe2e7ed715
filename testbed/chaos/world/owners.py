"""What owners do to their accounts under faults: request a resync, pause, change a password and enter the new one, or members."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from testbed.chaos.world.company import Company
from testbed.chaos.world.evidence import Gatherer, patiently
from testbed.chaos.world.proxy import Mood

RESYNC, PAUSE, PASSWORD, LOCKOUT, MEMBERS = "resync", "pause", "password", "lockout", "members"
ACTS: Final = (RESYNC, PAUSE, PASSWORD, LOCKOUT, MEMBERS)
_TOLD_S = 300.0
"""Time within which the owner of a blocked account must be notified, whatever else is broken."""
_LOOK_S = 0.5


class Owners:
    """Acts for a company's users; each of them does one thing at a time."""

    def __init__(self, company: Company, gatherer: Gatherer) -> None:
        self._company = company
        self._gatherer = gatherer
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def act(self, what: str, key: str, seconds: float) -> bool:
        """Do something to the account of a colleague; False when it is not connected in time.

        Members change of the shared mailbox only, whoever's account is named.
        """
        if what == MEMBERS:
            if self._company.shared is None:
                return False
            key = self._company.shared
        ways: dict[str, Callable[[str, float], Awaitable[None]]] = {
            RESYNC: self._resync, PAUSE: self._pause, PASSWORD: self._password, LOCKOUT: self._lockout,
            MEMBERS: self._members,
        }  # fmt: skip
        if not await self._company.connected(key):
            return False
        async with self._turns[key]:
            await ways[what](key, seconds)
        return True

    async def _resync(self, key: str, _seconds: float) -> None:
        asked = await self._gatherer.asking(key)
        tries = await self._company.command("account", "resync", self._company.accounts[key])
        self._gatherer.asked.append(asked._replace(times=tries))

    async def _pause(self, key: str, seconds: float) -> None:
        account = self._company.accounts[key]
        await self._company.command("account", "pause", account)
        await asyncio.sleep(seconds)
        await self._gatherer.resuming(account, self._company.command("account", "resume", account))

    async def _password(self, key: str, seconds: float) -> None:
        """Change it, and repair it some seconds later, whether its owner knows yet or not."""
        await self._change_password(key)
        await asyncio.sleep(seconds)
        await self._repair_password(key)

    async def _lockout(self, key: str, _seconds: float) -> None:
        """Change the password, and enter the new one once the owner was notified. A resync must follow and be confirmed."""
        account = self._company.accounts[key]
        seen = len(await self._gatherer.attentions(account))
        await self._change_password(key)
        end = asyncio.get_running_loop().time() + _TOLD_S
        while len(await self._gatherer.attentions(account)) <= seen:
            if asyncio.get_running_loop().time() > end:
                self._gatherer.unnotified.append(account)
                break
            await asyncio.sleep(_LOOK_S)
        await self._resync(key, 0)
        await self._repair_password(key)

    async def _members(self, _key: str, _seconds: float) -> None:
        """One leaves and one joins. A moment later, who has left sees nothing of what only this mailbox has (see ``Gatherer``)."""
        before = frozenset(self._company.members)
        await patiently(self._company.change_members)
        for user in before - frozenset(self._company.members):
            await self._gatherer.left(user)

    async def _change_password(self, key: str) -> None:
        await self._company.change_password(key)
        self._gatherer.refuse(self._company.accounts[key])
        # Existing connections would continue: have the old password refused at once.
        self._company.network.imap.set(Mood.CUT)
        self._company.network.imap.set(Mood.CLEAR)

    async def _repair_password(self, key: str) -> None:
        await self._company.repair_password(key)
        self._gatherer.accept(self._company.accounts[key])
