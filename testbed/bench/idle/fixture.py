"""Thousands of synchronised accounts in a moment: copies of one that a poller has really synchronised.

The mailboxes of the scripted server are alike, so what is stored about one fits every other, but for its names and credentials.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.accounts import Account, AddressProof, ProofKind, ServerAddress
from schemas.records import Record, RecordRef
from schemas.sharing import Mode, SharingPolicy
from services.mailbox.connection import SecretBox, password
from services.runtime.mongo import Client
from services.store import Store, new_account_id
from testbed.servers.scripted.process import PASSWORD, user

CONTACT = "client@acme.test"
"""Whom the CRM knows: mail of this sender is published."""
_BATCH = 500


async def add_first(store: Store, box: SecretBox, port: int) -> Account:
    """Store the account of mailbox 0, and a contact."""
    await store.record_addresses.put_many([Record(ref=RecordRef(kind="contact", id="c" * 24), addresses=(CONTACT,))])
    number, name, moment = new_account_id(), user(0), datetime.now(UTC)
    account = Account(
        id=number,
        owner="owner@bench.example",
        address=name,
        proofs=(AddressProof(address=name, how=ProofKind.ADMINISTRATOR, by="bench", at=moment),),
        incoming=ServerAddress(host="localhost", port=port, tls="tls", username=name),
        credentials=box.seal(number, password(PASSWORD)),
        sharing=SharingPolicy(mode=Mode.PUBLIC),
        created_at=moment,
    )
    await store.accounts.add(account)
    return account


async def add_copies(client: Client, database: str, box: SecretBox, first: Account, count: int) -> None:
    """Store ``count`` more accounts like the first one, which no poller holds, for the mailboxes from 1 on."""
    ids = [new_account_id() for _ in range(count)]
    for name, key in (("accounts", "_id"), ("folders", "account"), ("epochs", "account"), ("ledger", "account")):
        collection = client[database][name]
        models = [document async for document in collection.find({key: first.id})]
        for start in range(0, count, _BATCH):
            batch = range(start, min(start + _BATCH, count))
            copies = [_copy(model, first.id, ids[number], number + 1) for number in batch for model in models]
            if name == "accounts":
                for copy in copies:
                    for field in ("lease", "changed_at"):
                        copy.pop(field, None)
                    copy["credentials"] = box.seal(copy["_id"], password(PASSWORD)).model_dump()
            await collection.insert_many(copies)


def _copy(model: dict[str, Any], first: str, account: str, number: int) -> dict[str, Any]:
    copy: dict[str, Any] = _renamed(model, {first: account, user(0): user(number)})
    return copy


def _renamed(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str():
            for before, after in names.items():
                value = value.replace(before, after)
            return value
        case dict():
            return {key: _renamed(part, names) for key, part in value.items()}
        case list():
            return [_renamed(part, names) for part in value]
    return value
