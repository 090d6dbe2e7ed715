"""The proxies between the parts: in front of each member of the database, of IMAP and SMTP, and of the broker for each process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from testbed.chaos.world.proxy import Mood, Proxy
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET
from testbed.local import LocalServers
from testbed.processes.parts import LOOPBACK
from testbed.processes.ports import free_ports
from testbed.servers.replica_set import MemberPorts

MEMBERS = 3


class Network:
    """The proxies of a run. A link is named by its two ends, as in ``poller-1~broker``. Made by ``network``."""

    def __init__(self, servers: LocalServers, members: list[Proxy], names: Collection[str]) -> None:
        self.servers = servers
        self.members = members
        imap, smtp, identity, *brokers = free_ports(3 + len(names))
        self.imap = Proxy(imap, servers.imap.port)
        self.smtp = Proxy(smtp, servers.smtp.port)
        self.identity = servers.identity if servers.hosting == "processes" else None
        """The identity server; None where the mail server does not reach it."""
        self.sign_ins = Proxy(identity, urlsplit(self.identity.issuer).port or 0) if self.identity else None
        self._token_url = f"http://{LOOPBACK}:{identity}/token"
        self._key_file = self.identity.service_account(token_url=self._token_url) if self.identity else ""
        self.brokers = {
            name: Proxy(port, servers.broker.port) for name, port in zip(sorted(names), brokers, strict=True)
        }

    @property
    def links(self) -> tuple[str, ...]:
        """The names of all links."""
        return (
            *(f"{name}~broker" for name in self.brokers),
            *(f"{name}~mongo" for name in self.brokers),
            *(f"mongo-{number}" for number in range(1, MEMBERS + 1)),
            "poller~imap",
            "notifier~smtp",
            *(("poller~identity",) if self.sign_ins else ()),
        )

    def set(self, link: str, mood: Mood) -> None:
        """Change what happens to a link's traffic."""
        name, _, other = link.partition("~")
        if other == "broker":
            self.brokers[name].set(mood)
        elif other == "mongo":
            for proxy in self.members:
                proxy.set(mood, lambda whose: whose == name)
        elif other == "imap":
            self.imap.set(mood)
        elif other == "smtp":
            self.smtp.set(mood)
        elif other == "identity":
            if self.sign_ins is not None:
                self.sign_ins.set(mood)
        else:  # a member of the database, from its clients and from the other members
            self.members[int(name.partition("-")[2]) - 1].set(mood)

    def clear(self) -> None:
        """End all network faults."""
        for proxy in (*self.members, *self.others):
            proxy.set(Mood.CLEAR)

    @property
    def others(self) -> tuple[Proxy, ...]:
        """The proxies that are not the database's."""
        return (self.imap, self.smtp, *((self.sign_ins,) if self.sign_ins else ()), *self.brokers.values())

    def environment(self, name: str, virtual_host: str) -> dict[str, str]:
        """Return the settings of a process, with its address of each server."""
        broker, port = self.servers.broker, self.brokers[name].listens
        return {
            **self.servers.environment(),
            "LEADMAIL_RABBITMQ_URL": broker.url(virtual_host).replace(f":{broker.port}/", f":{port}/"),
            "LEADMAIL_SMTP_URL": f"smtp://{LOOPBACK}:{self.smtp.listens}",
            **self._sign_in_service(),
        }

    def _sign_in_service(self) -> dict[str, str]:
        if self.identity is None or self.sign_ins is None:
            return {}
        return {
            "LEADMAIL_OAUTH_CLIENT_ID": CLIENT_ID,
            "LEADMAIL_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "LEADMAIL_OAUTH_AUTHORIZATION_URL": f"{self.identity.issuer}/authorize",
            "LEADMAIL_OAUTH_TOKEN_URL": self._token_url,
            "LEADMAIL_OAUTH_SERVICE_ACCOUNT": self._key_file,
            "LEADMAIL_OAUTH_IMAP": f"none://{LOOPBACK}:{self.imap.listens}",
        }


@asynccontextmanager
async def network(
    names: Collection[str], *, hosting: str | None = None, folder: Path | None = None
) -> AsyncIterator[Network]:
    """Start the servers behind proxies; all of them stop at the end of the block.

    Args:
        names: of the processes that will use them.
        hosting: see ``LocalServers``.
        folder: see ``LocalServers``.
    """
    async with AsyncExitStack() as stack:
        ports = free_ports(2 * MEMBERS)
        pairs = [MemberPorts(listens, advertised) for listens, advertised in zip(ports[::2], ports[1::2], strict=True)]
        # Before the servers: the members of the database find one another through them.
        members = [await stack.enter_async_context(Proxy(each.advertised, each.listens, named=True)) for each in pairs]
        servers = LocalServers(folder, hosting=hosting, mongo_members=pairs)
        await asyncio.to_thread(servers.__enter__)
        stack.push_async_callback(asyncio.to_thread, servers.__exit__, None, None, None)
        made = await asyncio.to_thread(Network, servers, members, names)
        for proxy in made.others:
            await stack.enter_async_context(proxy)
        yield made
