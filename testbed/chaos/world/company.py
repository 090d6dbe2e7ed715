"""A company on its own deployment: database, virtual host, mailboxes full of mail, accounts with three ways of sharing, records."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from pydantic import SecretStr

from schemas.accounts import APP_ONLY, Account, AddressProof, ProofKind, ServerAddress
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.mailbox.connection import Credentials, OAuth2Credentials, SecretBox, password
from services.mailbox.oauth.sign_in_services import GENERIC
from services.runtime.environment import decode_key
from services.runtime.mongo import Client, make_client
from services.settings import CliSettings
from services.store import OPERATOR, Store, new_account_id, now
from services.wiring import make_store
from testbed.chaos.proof.expected import Mailowner
from testbed.chaos.proof.mailbox import Mailbox
from testbed.chaos.world.commands import run_command
from testbed.chaos.world.network import Network
from testbed.local import own_settings
from testbed.samples.bench.team import COMPANY_EXCLUDED, Colleague, Team, TeamRecord

_CONNECTED_S = 60
_MANY = 3
"""With fewer colleagues, each has a password that changes or a sign-in of their own."""
_MORE = 4
"""With fewer colleagues, none of them is a shared mailbox."""
_LOOK_S = 0.1


class OpensMailbox(NamedTuple):
    """What an account is connected by."""

    credentials: Credentials
    grant: str = ""
    refresh_at: datetime | None = None


@dataclass
class Company:
    """What runs and what it was made of. Made by ``company``."""

    network: Network
    name: str
    """Of the database and the virtual host."""
    team: Team
    environment: dict[str, str]
    """Settings beside those of the servers."""
    client: Client
    store: Store
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    """By colleague; straight at the mail server."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Ids of the connected ones, by colleague."""
    members: tuple[str, ...] = ()
    """Users who are members of the shared mailbox, who has been one for longest first."""
    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses by ``kind:id``."""

    @property
    def signs_in(self) -> str | None:
        """The colleague who connects by signing in at the identity server instead of by a password, if there is one."""
        return self.team.colleagues[0].key if self.network.identity else None

    @property
    def opened(self) -> str | None:
        """The colleague whose mailbox Leadmail opens in its own name, if there is one: nobody changes its password."""
        colleagues = self.team.colleagues
        return colleagues[-1].key if self.network.identity and len(colleagues) >= _MANY else None

    def settings_of(self, name: str) -> dict[str, str]:
        """Return the environment of a process."""
        return {**self.environment, **self.network.environment(name, self.name)}

    def colleague(self, key: str) -> Colleague:
        """Return a colleague by key."""
        return next(each for each in self.team.colleagues if each.key == key)

    @property
    def shared(self) -> str | None:
        """The colleague who is no user but a shared mailbox, if there is one: nobody changes its password."""
        colleagues = self.team.colleagues
        return colleagues[-2].key if len(colleagues) >= _MORE else None

    @property
    def claimed(self) -> str:
        """A client's address, which every user claims as another one of their own: nothing may follow from that."""
        return min(address for record in self.team.known for address in record.addresses)

    @property
    def viewers(self) -> tuple[str, ...]:
        """Every user."""
        return tuple(each.addresses[0] for each in self.team.colleagues if each.key != self.shared)

    def mailowners(self) -> dict[str, Mailowner]:
        """Return the connected accounts as the rule of sharing sees them."""
        found = {}
        for key, account in self.accounts.items():
            one = self.colleague(key)
            own = frozenset(one.addresses)
            found[account] = Mailowner(one.addresses[0], own | {self.claimed}, own, one.mode, one.excluded)
            if key == self.shared:
                found[account] = found[account]._replace(
                    owner=f"team:{account}", members=frozenset(self.members), address=one.addresses[0]
                )
        return found

    async def add_mailbox(self, colleague: Colleague, mails: Iterable[tuple[str, bytes, int]]) -> None:
        """Make a user with a filled mailbox."""
        servers = self.network.servers
        login, secret = f"{self.name}.{colleague.addresses[0]}", secrets.token_hex(8)
        await asyncio.to_thread(servers.add_user, login, secret)
        box = self.mailboxes[colleague.key] = Mailbox(servers.imap, login, secret)
        await asyncio.to_thread(box.fill, mails)
        if colleague.key != self.shared:
            await self.store.users.add(colleague.addresses[0], name=colleague.name)

    async def add_records(self, records: Iterable[TeamRecord]) -> None:
        """Write leads and contacts into the CRM's collections, as the CRM does."""
        crm = self.client[f"{self.name}-crm"]
        for record in records:
            number = ObjectId()
            document: dict[str, Any] = {"_id": number, "name": record.name, "emails": list(record.addresses)}
            await crm[f"{record.kind}s"].insert_one(document)
            self.records[f"{record.kind}:{number}"] = record.addresses

    async def connected(self, key: str) -> bool:
        """Wait until a colleague's mailbox is connected; False if that takes too long."""
        end = asyncio.get_running_loop().time() + _CONNECTED_S
        while key not in self.accounts:
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def connect(self, key: str) -> None:
        """Connect a mailbox, as ``leadmail account add`` does after it tried the login."""
        colleague, box = self.colleague(key), self.mailboxes[key]
        account = new_account_id()
        server = ServerAddress(host=box.imap.host, port=self.network.imap.listens, tls="none", username=box.username)
        opens, own = await self._opens(key, box), colleague.addresses[1:]
        if key == self.shared:
            own, self.members = colleague.addresses, self.viewers[:2]
        await self.store.accounts.add(
            Account(
                id=account,
                owner=f"team:{account}" if key == self.shared else colleague.addresses[0],
                members=tuple(sorted(self.members)) if key == self.shared else (),
                address=colleague.addresses[0],
                aliases=(*colleague.addresses[1:], self.claimed),
                proofs=tuple(
                    AddressProof(address=one, how=ProofKind.ADMINISTRATOR, by=OPERATOR, at=now()) for one in own
                ),
                incoming=server,
                credentials=self._vault.seal(account, opens.credentials),
                grant=opens.grant,
                refresh_at=opens.refresh_at,
                sharing=SharingPolicy(mode=Mode(colleague.mode), excluded_domains=colleague.excluded),
                created_at=now(),
            )
        )
        self.accounts[key] = account

    async def change_members(self) -> None:
        """Let the member of the shared mailbox who has been one for longest leave, and a user join it, who is none. Can be repeated."""
        assert self.shared is not None
        account, users = self.accounts[self.shared], self.viewers
        _, stays = self.members
        after = (stays, users[(users.index(stays) + 1) % len(users)])
        now_there = frozenset((await self.store.accounts.get(account)).members)
        await self.store.membership.change(account, add={*after} - now_there, remove=now_there - {*after}, by=OPERATOR)
        self.members = after

    async def _opens(self, key: str, box: Mailbox) -> OpensMailbox:
        if key == self.signs_in:
            return await self._sign_in(box)
        if key == self.opened:  # the poller gets the first token
            credentials = OAuth2Credentials(access_token=SecretStr("none yet"), provider=GENERIC, mailbox=box.username)
            return OpensMailbox(credentials, f"{APP_ONLY}{secrets.token_hex(8)}", now())
        return OpensMailbox(password(box.password))

    async def _sign_in(self, box: Mailbox) -> OpensMailbox:
        identity = self.network.identity
        assert identity is not None
        found = await asyncio.to_thread(identity.tokens, box.username, box.password)
        ends = now() + timedelta(seconds=found["expires_in"])
        credentials = OAuth2Credentials(
            access_token=found["access_token"], refresh_token=found["refresh_token"], expires_at=ends, provider=GENERIC
        )
        return OpensMailbox(credentials, secrets.token_hex(8), now() + (ends - now()) / 2)

    async def sign_in_again(self, key: str) -> None:
        """Save the tokens of a new sign-in, as ``leadmail account login`` does."""
        opens, account = await self._sign_in(self.mailboxes[key]), self.accounts[key]
        sealed = self._vault.seal(account, opens.credentials)
        await self.store.accounts.save_credentials(
            account, sealed, by=OPERATOR, grant=opens.grant, refresh_at=opens.refresh_at
        )

    @property
    def _vault(self) -> SecretBox:
        return SecretBox.from_keys(decode_key(self.environment["LEADMAIL_SECRET_KEY"]).get_secret_value())

    async def change_password(self, key: str) -> None:
        """Change a password at the mail server."""
        box = self.mailboxes[key] = self.mailboxes[key]._replace(password=secrets.token_hex(8))
        await asyncio.to_thread(self.network.servers.add_user, box.username, box.password)

    async def repair_password(self, key: str) -> None:
        """Save it in Leadmail, as an account's owner does.

        Raises:
            RuntimeError: ``leadmail account password`` failed.
        """
        line = self.mailboxes[key].password + "\n"
        await self.command("account", "password", self.accounts[key], "--password-stdin", line=line)

    async def command(self, *arguments: str, line: str = "") -> int:
        """Run ``leadmail`` as a person would. Returns how often. Raises RuntimeError if it still failed (see ``run_command``)."""
        environment = {**self.environment, **self.network.servers.environment()}
        return await run_command(environment, *arguments, line=line)


@asynccontextmanager
async def company(network: Network, team: Team, **settings: str) -> AsyncIterator[Company]:
    """Yield a company with users' policies but no mailbox, account or record yet; its database is dropped at the end of the block.

    Args:
        network: where it runs.
        team: who is in it.
        settings: further ``LEADMAIL_…`` settings, in lower case and without the prefix.
    """
    name = f"chaos-{secrets.token_hex(4)}"
    given = {f"LEADMAIL_{key.upper()}": value for key, value in settings.items()}
    environment = own_settings(name, "leadmail@chaos.example") | given
    servers = network.servers
    await asyncio.to_thread(servers.broker.create_virtual_host, name)
    values = {**environment, **servers.environment(), "LEADMAIL_INSTANCE": "onlooker"}
    own = {key.removeprefix("LEADMAIL_").lower(): value for key, value in values.items() if key.startswith("LEADMAIL_")}
    options = CliSettings.model_validate(own)
    try:
        async with make_client(options) as client:
            store = make_store(client[name], client[f"{name}-crm"], options)
            await store.setup()
            made = Company(network, name, team, environment, client, store)
            await store.sharing.set_company(CompanyPolicy(excluded_domains=COMPANY_EXCLUDED), by="administrator")
            yield made
            for database in (name, f"{name}-crm"):
                await client.drop_database(database)
    finally:
        await asyncio.to_thread(servers.broker.drop_virtual_host, name)
