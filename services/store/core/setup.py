"""Collections and indexes: made by every process at start, harmless when they are there."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from schemas.accounts import AccountState
from schemas.errors import LayoutError
from schemas.ledger import UNFINISHED, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Documents

_DAY_S = 86_400
_CONFLICTS = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict."""
_CONNECTED = tuple(state.value for state in AccountState if state is not AccountState.DISCONNECTED)


def _index(name: str, *keys: str, **options: Any) -> IndexModel:
    pairs = [(key.removeprefix("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in keys]
    return IndexModel(pairs, name=name, **options)


def indexes(c: Collections) -> list[tuple[Documents, list[IndexModel]]]:
    """Return every index. The ledger's are partial: a row pays only for the state that it is in."""
    return [
        (
            c.ledger,
            [
                _index(
                    "unfinished",
                    *("account", "epoch", "state"),
                    partialFilterExpression={"state": {"$in": [state.value for state in UNFINISHED]}},
                ),
                _index("marks", "marks", partialFilterExpression={"state": RowState.UNMATCHED.value}),
                _index("email", "email", partialFilterExpression={"state": RowState.ATTACHED.value}),
                _index("relink", "relink", "account", partialFilterExpression={"relink": True}),
                # Few rows have a Bcc; the field is absent from the others, which then pay nothing.
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
                _index("record", "record.kind", "record.id", "-sent_at", "-_id"),
                _index("thread", "thread"),
            ],
        ),
        (
            c.addresses,
            [
                # The look-up of a window's participants is answered from this index alone.
                _index("mark", "mark", "record.kind", "record.id"),
                _index("address", "address", "record.kind", "record.id"),
                _index("record", "record.kind", "record.id"),
            ],
        ),
        (c.erasures, [_index("record", "record.kind", "record.id")]),
        (
            c.accounts,
            [
                # A mailbox is connected once; disconnected ones may stand beside it.
                _index(
                    "connected", "address", unique=True, partialFilterExpression={"state": {"$in": list(_CONNECTED)}}
                ),
                _index("owner", "owner"),
                _index("address", "address"),
                _index("aliases", "aliases"),
                _index("state", "state"),
                _index("holder", "lease.holder", sparse=True),
            ],
        ),
        (c.folders, [_index("account", "account")]),
        (
            c.epochs,
            [_index("account", "account", "-number"), _index("notification", "notification"), _index("state", "state")],
        ),
        (c.pollers, [_index("at", "at", expireAfterSeconds=_DAY_S)]),
        *(
            (collection, [_index("until", "until", expireAfterSeconds=0)])
            for collection in (c.sign_in_links, c.sessions, c.attempts)
        ),
        (c.debts, [_index("at", "at")]),
        (c.turns, [_index("until", "until", expireAfterSeconds=_DAY_S)]),
        (c.dead_letters, [_index("at", "-at"), _index("account", "account"), _index("row", "row", sparse=True)]),
        (c.audit, [_index("at", "-at"), _index("subject", "subject", "-at")]),
        (c.blob_files, [_index("refs", "refs"), _index("orphaned", "orphaned_at", sparse=True)]),
        (c.blob_chunks, [_index("files_id_1_n_1", "files_id", "n", unique=True)]),
    ]


async def setup(c: Collections) -> None:
    """Make what is missing. Safe to run from several processes at once: making an index that exists is a no-op.

    MongoDB makes an index while others write. An index that changes gets a new name, so that versions can run beside each other;
    the old one goes by a migration of the release after.

    Raises:
        LayoutError: one exists with other properties.
    """
    for collection, wanted in indexes(c):
        try:
            await collection.create_indexes(wanted)
        except OperationFailure as error:
            if error.code not in _CONFLICTS:
                raise
            why = (error.details or {}).get("errmsg", "")
            raise LayoutError(
                f"MongoDB has an index of {collection.full_name} with other properties than this version of Leadmail wants ({why}). Drop "
                "it (in mongosh: `db.getCollection(…).dropIndex(…)`) and start again; it is made anew while stages work."
            ) from error
    # A transaction or a change stream must not be the first to meet these.
    for name in ("settings", "counters", "tombstones", "users"):
        await _ensure(c, name)


async def _ensure(c: Collections, name: str) -> None:
    """Make a collection that has no index of its own."""
    await c.database[name].create_indexes([_index("by_id", "_id")])
