"""What happens to the sign-in of the one mailbox that has tokens instead of a password."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from testbed.chaos.world.company import Company
from testbed.chaos.world.evidence import Gatherer, patiently
from testbed.chaos.world.proxy import Mood
from testbed.chaos.world.replicas import Replicas
from testbed.identity.part import IdentityServer

OUTAGE, THROTTLED, LOSS, REVOKED = "token outage", "token throttle", "token loss", "revoked"
TOKEN_FAULTS: Final = (OUTAGE, THROTTLED, LOSS, REVOKED)
_SHOWN_S = 300.0
"""Time within which a trouble must show, or a token be refreshed, whatever else is broken."""
_LATE_S = 8.0
"""How long the answer with new tokens is held back: longer than it takes to notice that they were made."""
_LOOK_S = 0.1


class TokenFaults:
    """Disturbs the sign-in, one fault at a time."""

    def __init__(self, company: Company, gatherer: Gatherer, replicas: Replicas) -> None:
        self._company = company
        self._gatherer = gatherer
        self._replicas = replicas
        self._turn = asyncio.Lock()

    async def do(self, kind: str, seconds: float) -> bool:
        """Do a fault; False if the mailbox is not connected in time."""
        key, identity = self._company.signs_in, self._company.network.identity
        if identity is None or key is None or not await self._company.connected(key):
            return False
        ways: dict[str, Callable[[IdentityServer, str, float], Awaitable[None]]] = {
            OUTAGE: self._outage, THROTTLED: self._throttle, LOSS: self._lose, REVOKED: self._revoke,
        }  # fmt: skip
        async with self._turn:
            await ways[kind](identity, key, seconds)
        return True

    async def _outage(self, _identity: IdentityServer, key: str, seconds: float) -> None:
        """No token can be refreshed until that shows. It must not block the account."""
        account = self._company.accounts[key]
        accounts = self._company.client[self._company.name].accounts
        self._company.network.set("poller~identity", Mood.CUT)

        async def shown() -> bool:
            found = await patiently(lambda: accounts.find_one({"_id": account}, {"trouble": 1}))
            return bool(found and found.get("trouble"))

        if not await _until(shown):
            self._gatherer.unshown.append(account)
        await asyncio.sleep(seconds)
        self._company.network.set("poller~identity", Mood.CLEAR)

    async def _throttle(self, identity: IdentityServer, _key: str, seconds: float) -> None:
        """Every refresh is put off."""
        fault = {"status": 429, "retry_after": 1}
        await asyncio.to_thread(lambda: identity.set(faults={"refresh": fault}))
        await asyncio.sleep(seconds)
        await asyncio.to_thread(lambda: identity.set(faults={}))

    async def _lose(self, identity: IdentityServer, _key: str, seconds: float) -> None:
        """Kill the pollers when new tokens were made and are not saved."""
        made = await asyncio.to_thread(identity.refreshed)
        await asyncio.to_thread(lambda: identity.set(faults={"refresh": {"late": _LATE_S}}))

        async def again() -> bool:
            return await asyncio.to_thread(identity.refreshed) > made

        if not await _until(again):
            self._gatherer.unshown.append("tokens that are refreshed")
        pollers = [replica for replica in self._replicas.all if replica.stage == "poller"]
        for poller in pollers:
            poller.kill()
        await asyncio.to_thread(lambda: identity.set(faults={}))
        await asyncio.sleep(seconds)
        for poller in pollers:
            poller.start()

    async def _revoke(self, identity: IdentityServer, key: str, seconds: float) -> None:
        """Withdraw the permission. Its owner signs in again some time after the mail that asks for it."""
        account = self._company.accounts[key]
        seen = len(await self._gatherer.attentions(account))
        self._gatherer.refuse(account)
        await asyncio.to_thread(lambda: identity.set(revoke=[self._company.mailboxes[key].username]))

        async def told() -> bool:
            return len(await self._gatherer.attentions(account)) > seen

        if not await _until(told):
            self._gatherer.unnotified.append(account)
        await asyncio.sleep(seconds)
        await self._company.sign_in_again(key)
        self._gatherer.accept(account)


async def _until(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until a condition holds; False if it does not in time."""
    end = asyncio.get_running_loop().time() + _SHOWN_S
    while not await condition():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
