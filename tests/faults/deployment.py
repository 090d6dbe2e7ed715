"""All stages with failpoints on the scenario's mailboxes: they end in the same state, whatever kills them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Account, SealedCredentials, ServerAddress
from schemas.sharing import Mode, SharingPolicy
from services.mailbox.connection import ConnectPolicy, SecretBox, password
from services.mailbox.oauth.client import OAuthClient
from services.runtime.mongo import make_client
from services.settings import CliSettings
from services.store import Store
from services.store.core.documents import now
from services.wiring import make_store
from testbed.local import LocalServers
from tests import oauth
from tests.conftest import MailUser
from tests.factories import confirmed
from tests.faults.scenario import (
    ACCOUNTS,
    ANNA,
    BEN,
    CARL,
    CONTACTS,
    FADING,
    NEWCOMERS,
    SHARING,
    Person,
    Phone,
    mailboxes,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STAGES = ("poller", "parser", "matcher", "notifier")
_KEY = bytes(range(32))
_SECONDS = 120.0
"""How long nothing at all may change."""
_LOOKS = 4
"""So often in a row everything has to look as it should."""
Snapshot = dict[str, Any]


class Nursery:
    """The process that runs the stages."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send a command; return the answer."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it and the stages that it runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Yield a running nursery."""
    running = Nursery()
    try:
        yield running
    finally:
        running.close()


@dataclass
class Patience:
    """How long to wait: while anything changes, however slow the machine is. What never ends meets the test's own time-out."""

    seen: Snapshot = field(default_factory=dict)
    end: float = field(default_factory=lambda: time.monotonic() + _SECONDS)

    def is_over(self) -> bool:
        """Whether it is time to look whether anything goes on."""
        return time.monotonic() > self.end

    def goes_on(self, now: Snapshot) -> bool:
        """Whether anything has changed since the last look. If so, wait as long again."""
        changed, self.seen, self.end = now != self.seen, now, time.monotonic() + _SECONDS
        return changed


@dataclass
class Company:
    """The scenario on real servers."""

    servers: LocalServers
    nursery: Nursery
    store: Store
    database: AsyncDatabase[dict[str, Any]]
    environment: dict[str, str]
    scratch: Path
    phones: dict[str, Phone] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    async def employ(self, address: str, mails: dict[str, list[bytes]]) -> None:
        """Create a user with a filled mailbox."""
        token = secrets.token_hex(4)
        imap = self.servers.imap
        phone = self.phones[address] = Phone(imap.host, imap.port, f"{token}.{address}", secrets.token_hex(8))
        owner = self.owners[address] = f"{token}.owner.{address}"
        await asyncio.to_thread(self.servers.add_user, phone.login, phone.password)
        await asyncio.to_thread(phone.fill, mails)
        await self.store.users.add(owner, name=address)

    async def connect(self, address: str, *, right: bool = True) -> None:
        """Connect a mailbox, with the right password or a wrong one; one by a sign-in, whose tokens are due at once."""
        account, imap, phone = ACCOUNTS[address], self.servers.imap, self.phones[address]
        signs_in = address == BEN and self.servers.hosting == "processes"
        await self.store.accounts.add(
            Account(
                id=account,
                owner=self.owners[address],
                address=address,
                proofs=confirmed(address),
                incoming=ServerAddress(host=imap.host, port=imap.port, tls="none", username=phone.login),
                credentials=await self._signed_in(account, phone)
                if signs_in
                else self._sealed(account, phone.password if right else "wrong"),
                grant=phone.login if signs_in else "",
                refresh_at=now() if signs_in else None,
                sharing=SharingPolicy(mode=Mode(SHARING[address])),
                created_at=now(),
            )
        )

    def _sealed(self, account: str, secret: str) -> Any:
        return SecretBox.from_keys(_KEY).seal(account, password(secret))

    async def _signed_in(self, account: str, phone: Phone) -> SealedCredentials:
        identity = self.servers.identity
        policy = ConnectPolicy.build(allow_networks=(ip_network("127.0.0.0/8"),), allow_plaintext=True)
        client, user = OAuthClient(oauth.app(identity), policy), MailUser(phone.login, phone.password)
        tokens, _ = oauth.credentials(await oauth.sign_in(client, identity, user, nonce=phone.login))
        return SecretBox.from_keys(_KEY).seal(account, tokens)

    async def add(self, *people: Person) -> None:
        """Add leads and contacts to the CRM."""
        for person in people:
            await self.database[f"{person.kind}s"].insert_one({"_id": person.id, "email": person.address})

    def start(self) -> None:
        """Start every stage."""
        for stage in STAGES:
            log = str(self.scratch / f"{stage}.log")
            self.nursery.ask(do="start", stage=stage, environment=self.environment, log=log)

    def stop(self) -> dict[str, Any]:
        """Stop every stage with SIGTERM; return how often each died and its exit code."""
        return self.nursery.ask(do="stop")

    async def until(self, condition: Callable[[], Awaitable[object]], what: str) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it does not in time.
        """
        patience = Patience()
        while not await condition():
            if patience.is_over():
                assert patience.goes_on(await self.snapshot()), f"nothing goes on any more: {what}\n{self.logs()}"
            ended = self.nursery.ask(do="look")["codes"]
            assert not ended, f"stages ended by themselves: {ended}\n{self.logs()}"
            await asyncio.sleep(0.05)

    def logs(self) -> str:
        """Return the ends of the stages' logs."""
        files = [self.scratch / f"{stage}.log" for stage in STAGES]
        return "\n".join(f"--- {file.stem}\n{file.read_text()[-2500:]}" for file in files if file.exists())

    async def play(self) -> None:
        """Run everything: backfills, a corrected password, mail that arrives, moves and is deleted, records that come and go."""
        self.start()

        async def known() -> bool:
            return await self.database.addresses.count_documents({"swept": True}) == len(CONTACTS)

        # Otherwise it would be chance which mail a backfill brings in, and which comes later.
        await self.until(known, "the records are known")
        for address in (ANNA, BEN, CARL):
            await self.connect(address, right=address != CARL)

        async def settled() -> bool:
            done = await self.database.epochs.count_documents({"notification": "sent"})
            blocked = {"_id": ACCOUNTS[CARL], "state": "blocked", "attention_sent": 1}
            return done == 2 and await self.database.accounts.count_documents(blocked) == 1

        await self.until(settled, "two backfills are confirmed, and the third owner was notified")
        await asyncio.to_thread(self.phones[ANNA].use)
        await self.add(*NEWCOMERS)
        await self.database.contacts.delete_one({"email": FADING})
        await self.store.accounts.request_resync(ACCOUNTS[BEN], by="test")
        # As the command that changes a policy does, when it dies before the links follow.
        await self.store.accounts.save_sharing(ACCOUNTS[BEN], SharingPolicy(mode=Mode.PUBLIC))
        sealed = self._sealed(ACCOUNTS[CARL], self.phones[CARL].password)
        await self.store.accounts.save_credentials(ACCOUNTS[CARL], sealed, by="test")

    async def snapshot(self) -> Snapshot:
        """Return everything that was stored and sent, without timestamps and other values that differ between runs."""
        data = self.database
        folders = {(one["account"], one["id"]): one async for one in data.folders.find()}

        def place(row: str) -> str:
            account, folder, _, uid = row.split(".")
            # A folder that was found after `folders` was read has no name yet: the next look differs.
            name = folders[account, folder]["name"] if (account, folder) in folders else folder
            return f"{account[0]} {name} {int(uid)}"

        def ref(text: str) -> str:
            return re.sub(
                r"[0-9a-f]{24}\.[0-9a-f]{12}\.\d{10}\.\d{10}(/\d+)?",
                lambda found: place(found[0].partition("/")[0]),
                text,
            )

        def pick(document: dict[str, Any], *names: str) -> dict[str, Any]:
            return {name: document.get(name) for name in names}

        rows = {
            place(row["_id"]): pick(row, "state", "reason", "flags", "bcc", "relink", "size")
            # A copy that is deleted while it is fetched again has no email.
            | {"email": row.get("email") if row["state"] != "gone" else None}
            async for row in data.ledger.find()
        }
        owned = {owner: address for address, owner in self.owners.items()}
        letters = [(sent.recipients[0], sent.raw) for sent in self.servers.sink.sent()]
        return {
            "accounts": {
                one["_id"]: pick(
                    one, "state", "reason", "incident", "attention_sent", "epoch", "resync_requested", "relink"
                )
                async for one in data.accounts.find()
            },
            "folders": {
                f"{one['account'][0]} {one['name']}": pick(
                    one, "selected", "reason", "state", "epoch", "uidnext", "cursor", "live_next"
                )
                for one in folders.values()
            },
            "epochs": {one["_id"]: pick(one, "state", "notification", "expected") async for one in data.epochs.find()},
            "rows": rows,
            "emails": {
                one.pop("_id"): {name: value for name, value in one.items() if name not in {"stored_at", "unlinked_at"}}
                async for one in data.emails.find()
            },
            "links": {
                one.pop("_id"): pick(one, "record", "email", "sent_at")
                | {"owners": sorted(owned[owner] for owner in one["owners"]), "shared_by": sorted(one["shared_by"])}
                | {"matches": sorted(one["matches"], key=repr)}
                async for one in data.links.find()
            },
            "addresses": {
                one.pop("_id"): {name: value for name, value in one.items() if name not in {"since", "added_at", "at"}}
                async for one in data.addresses.find()
            },
            "summaries": {
                f"{kind} {one['_id']}": {
                    name: value for name, value in one.get("leadmail", {}).items() if name != "revision"
                }
                for kind in ("leads", "contacts")
                async for one in data[kind].find()
            },
            "blobs": {
                one["_id"]: sorted(map(ref, one["refs"]))
                async for one in data["blobs.files"].find({"orphaned_at": {"$exists": False}})
            },
            "blobs that wait for the sweep": await data["blobs.files"].count_documents(
                # A parsed mail's original waits for hours, in case its message is delivered again.
                {"orphaned_at": {"$exists": True}, "kept_for": {"$exists": False}}
            ),
            "dead letters": {
                # Which lane a mail takes that is fetched again is a matter of how many there are.
                ref(one["_id"]).replace(".live", "").replace(".backfill", ""): pick(one, "reason", "account")
                async for one in data.dead_letters.find()
            },
            "debts": await data.debts.count_documents({}),
            "tombstones": await data.tombstones.count_documents({}),
            "sent": sorted(
                {(owned[to], _message_id(raw)) for to, raw in letters if to in owned},
            ),
        }

    async def comes_to(self, wanted: Snapshot) -> None:
        """Wait until everything is as it was in another run.

        Raises:
            AssertionError: it does not come to that; the text says what differs.
        """
        patience, equal = Patience(), 0
        while equal < _LOOKS:  # it may look so while something is still on its way
            found = await self.snapshot()
            equal = equal + 1 if found == wanted else 0
            if patience.is_over():
                assert patience.goes_on(found), (
                    f"it came to something else:\n{difference(found, wanted)}\n{self.logs()}"
                )
            await asyncio.sleep(0.2)

    async def rests(self) -> Snapshot:
        """Wait until nothing changes any more, and return the state."""
        before: Snapshot = {}
        unchanged, patience = 0, Patience()
        while unchanged < 6:
            found = await self.snapshot()
            busy = (
                found["debts"]
                or {"planned", "published"} & {row["state"] for row in found["rows"].values()}
                or found["blobs that wait for the sweep"]
            )
            unchanged = unchanged + 1 if found == before and not busy else 0
            before = found
            if patience.is_over():
                assert patience.goes_on(found), f"it does not come to rest\n{self.logs()}"
            await asyncio.sleep(0.5)
        return before


def _message_id(raw: bytes) -> str:
    found = re.search(rb"(?im)^Message-ID:\s*(\S+)", raw)
    assert found is not None
    return found[1].decode()


def difference(found: Any, wanted: Any, path: str = "") -> str:
    """Return where two snapshots differ, one line per difference."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted(found.keys() | wanted.keys())
        lines = [
            difference(found.get(key), wanted.get(key), f"{path} / {key}")
            for key in keys
            if found.get(key) != wanted.get(key)
        ]
        return "\n".join(lines)
    return f"{path}: {found!r:.400} instead of {wanted!r:.400}"


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


@asynccontextmanager
async def company(
    servers: LocalServers, nursery: Nursery, scratch: Path, *, deaths: str = "", trace: Path | None = None
) -> AsyncIterator[Company]:
    """Yield the scene, with no stage running yet; it is gone after the block.

    Args:
        servers: where it is.
        nursery: runs the stages.
        scratch: a folder, the same in every run; it is emptied.
        deaths: where stages die, see `failpoints.Plan`.
        trace: gets every failpoint that is passed.
    """
    _empty(scratch)
    name = f"faults_{secrets.token_hex(6)}"
    variables = {
        **servers.environment(),
        **(oauth.settings(servers) if servers.hosting == "processes" else {}),
        "LEADMAIL_RABBITMQ_URL": servers.broker.create_virtual_host(name),
        "LEADMAIL_MONGO_DATABASE": name,
        "LEADMAIL_CRM_DATABASE": name,
        "LEADMAIL_SECRET_KEY": _KEY.hex(),
        "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@acme.example>",
        "LEADMAIL_LEASE_SECONDS": "2",
        "LEADMAIL_REAPER_SECONDS": "20",
        "LEADMAIL_POLL_SECONDS": "2",
        "LEADMAIL_BLOCK_SECONDS": "1",
        "LEADMAIL_SWEEP_SECONDS": "1",
        "LEADMAIL_SHUTDOWN_SECONDS": "10",
    }
    settings = CliSettings.model_validate(
        {name.removeprefix("LEADMAIL_").lower(): value for name, value in variables.items()}
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("LEADMAIL_")},
        **variables,
        "LEADMAIL_FAILPOINT": deaths,
        "LEADMAIL_FAILPOINT_MARKS": str(scratch),
        "LEADMAIL_FAILPOINT_TRACE": str(trace or ""),
    }
    async with make_client(settings) as client:
        store = make_store(client[name], client[name], settings)
        await store.setup()
        stage = Company(servers, nursery, store, client[name], environment, scratch)
        mails = mailboxes(scratch)
        await stage.add(*CONTACTS)
        for address in (ANNA, BEN, CARL):
            await stage.employ(address, mails[address])
        try:
            yield stage
        finally:
            stage.stop()
            await client.drop_database(name)
            servers.broker.drop_virtual_host(name)
