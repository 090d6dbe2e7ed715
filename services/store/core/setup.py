"""Collections and indexes. Every process creates what is missing at start."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from schemas.accounts import AccountState
from schemas.errors import LayoutError
from schemas.ledger import DELETED_IN_CRM, HEADER_UNCLEAR, LEFT_OUT, UNFINISHED, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Documents

_DAY_S = 86_400
_CONFLICTS = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict."""
_CONNECTED = tuple(state.value for state in AccountState if state is not AccountState.DISCONNECTED)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_SHARED = {"shared_by.0": {"$exists": True}}
_LINKS = {
    "sent": "{} -sent_at -email",
    "record": "record.kind record.id {} -sent_at -_id",
    "email": "{} email",
}
"""Keys of the indexes of links that readers use. ``{}`` is the place of the owners."""


def _index(name: str, *keys: str, **options: Any) -> IndexModel:
    pairs = [(key.removeprefix("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in keys]
    return IndexModel(pairs, name=name, **options)


def indexes(c: Collections) -> list[tuple[Documents, list[IndexModel]]]:
    """Return every index. Those of the ledger are partial, so that a row is only in the indexes of its state."""
    return [
        (
            c.ledger,
            [
                _index(
                    "unfinished",
                    *("account", "epoch", "state"),
                    partialFilterExpression={"state": {"$in": [state.value for state in UNFINISHED]}},
                ),
                # Covers the number of waiting rows and the oldest of them.
                _index(
                    "waiting",
                    *("account", "state", "noticed_at"),
                    partialFilterExpression={"state": {"$in": [state.value for state in UNFINISHED]}},
                ),
                # Tells whether an account's rows have changed since they were counted. The condition, which holds for every row, keeps
                # the planner from taking this index for other queries.
                _index("changed", "account", "updated_at", partialFilterExpression={"updated_at": {"$gt": LONG_AGO}}),
                _index("marks", "marks", partialFilterExpression={"state": RowState.UNMATCHED.value}),
                # Finds mails with one Message-ID, and rows that an old key marked.
                _index("id_mark", "account", "mark_key", "id_mark"),
                # Few rows share a Message-ID with another mail, and the others are not in this index.
                _index("same_id", "account", "id_mark", partialFilterExpression={"same_id": True}),
                _index("email", "email", partialFilterExpression={"state": RowState.ATTACHED.value}),
                _index("relink", "relink", "account", partialFilterExpression={"relink": True}),
                _index("unclear", "marks", partialFilterExpression={"reason": HEADER_UNCLEAR}),
                _index("deleted", "marks", partialFilterExpression={"reason": DELETED_IN_CRM}),
                # With "marks" and "waiting", finds all rows without an email that name an address, for the person who has it.
                _index(
                    "left_out",
                    "marks",
                    partialFilterExpression={
                        "state": {"$in": [state.value for state in LEFT_OUT]},
                        "marks": {"$exists": True},
                    },
                ),
                # Few rows have a Bcc, and the others are not in this index.
                _index("bcc", "bcc", partialFilterExpression={"bcc": {"$exists": True}}),
            ],
        ),
        (
            c.emails,
            [
                _index("id_mark", "id_mark"),
                _index("participants", "participants.address"),
                _index("refs", "refs", partialFilterExpression={"by_thread": True}),
                _index("unlinked", "unlinked_at", partialFilterExpression={"unlinked_at": {"$exists": True}}),
            ],
        ),
        (
            c.links,
            [
                _index("email", "email"),
                # For each way to look up mail, one index of a viewer's own and one of shared mail: see access.candidates.
                *(
                    index
                    for name, keys in _LINKS.items()
                    for index in (
                        _index(f"{name}_own", *keys.format("owners").split()),
                        _index(f"{name}_shared", *keys.format("").split(), partialFilterExpression=_SHARED),
                    )
                ),
                _index("ids_own", "own_ids", "-sent_at", "-_id"),
                _index("ids_shared", "ids", "-sent_at", "-_id", partialFilterExpression=_SHARED),
            ],
        ),
        (
            c.addresses,
            [
                # Covers the look-up of a window's participants.
                _index("mark", "mark", "record.kind", "record.id"),
                _index("address", "address", "record.kind", "record.id"),
                _index("record", "record.kind", "record.id"),
            ],
        ),
        (c.erasures, [_index("record", "record.kind", "record.id"), _index("mark", "mark")]),
        (
            c.accounts,
            [
                # A mailbox is connected once. Disconnected accounts may have the same address.
                _index(
                    "connected", "address", unique=True, partialFilterExpression={"state": {"$in": list(_CONNECTED)}}
                ),
                # Two connected accounts never prove one address.
                _index(
                    "proven",
                    "proofs.address",
                    unique=True,
                    partialFilterExpression={"state": {"$in": list(_CONNECTED)}, "proofs.address": {"$exists": True}},
                ),
                _index("owner", "owner"),
                _index("members", "members", sparse=True),
                _index("address", "address"),
                _index("aliases", "aliases"),
                _index("state", "state"),
                _index("holder", "lease.holder", sparse=True),
                _index("changed", "changed_at", sparse=True),
            ],
        ),
        (c.folders, [_index("account", "account")]),
        (
            c.deleted_emails,
            [_index("until", "until"), _index("account", "rows.account"), _index("address", "addresses")],
        ),
        (
            c.epochs,
            [_index("account", "account", "-number"), _index("notification", "notification"), _index("state", "state")],
        ),
        (c.budgets, [_index("until", "until", expireAfterSeconds=0)]),
        (c.key_holders, [_index("at", "at", expireAfterSeconds=_DAY_S)]),
        (c.pollers, [_index("at", "at", expireAfterSeconds=_DAY_S)]),
        *(
            (collection, [_index("until", "until", expireAfterSeconds=0)])
            for collection in (c.sign_in_links, c.sessions, c.attempts, c.address_codes, c.pending_sign_ins)
        ),
        # Two users never sign in by one account of the identity provider.
        (c.users, [_index("identity", "identity", unique=True, partialFilterExpression={"identity": {"$gt": ""}})]),
        (c.groups, [_index("key", "key", unique=True)]),
        (c.withdrawals, [_index("owner", "owner", "target")]),
        (c.pending_work, [_index("at", "at")]),
        (c.singleton_leases, [_index("until", "until", expireAfterSeconds=_DAY_S)]),
        (c.dead_letters, [_index("at", "-at"), _index("account", "account"), _index("row", "row", sparse=True)]),
        (c.audit, [_index("at", "-at"), _index("subject", "subject", "-at"), _index("by", "by", "-at")]),
        (
            c.blob_files,
            [
                _index("refs", "refs"),
                _index("orphaned", "orphaned_at", sparse=True),
                _index("kept_for", "kept_for", sparse=True),
            ],
        ),
        (c.blob_chunks, [_index("files_id_1_n_1", "files_id", "n", unique=True)]),
    ]


async def setup(c: Collections) -> None:
    """Create what is missing.

    Several processes may do so at once: creating an index that exists is a no-op, and MongoDB builds indexes while others
    write. An index that changes gets a new name, so that two versions can run side by side. A migration of the next release
    drops the old one.

    Raises:
        LayoutError: an index exists with other properties.
    """
    for collection, wanted in indexes(c):
        try:
            await collection.create_indexes(wanted)
        except OperationFailure as error:
            if error.code not in _CONFLICTS:
                raise
            why = (error.details or {}).get("errmsg", "")
            raise LayoutError(
                f"MongoDB has an index of {collection.full_name} with other properties than this version of Leadmail needs ({why}). Drop "
                "it (in mongosh: `db.getCollection(…).dropIndex(…)`) and start again: Leadmail recreates it while stages run."
            ) from error
    # Neither a transaction nor a change stream should be the first to touch these.
    for name in ("settings", "counters", "tombstones", "users", "scim_tokens"):
        await c.database[name].create_indexes([_index("by_id", "_id")])
