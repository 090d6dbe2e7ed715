"""What an operator does with a dead letter: look into it, send it again, give it up. Its blobs and its copy follow."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.ledger import RowState
from services.amqp.delivery.outcomes import CRASHED
from services.store import DeadLetter, Store, copy_ref, email_ref

if TYPE_CHECKING:
    from services.amqp.delivery.bus import Bus

_FIELDS = "leadmail"
"""The header with a message's own fields, where its body is a raw mail."""


async def body_of(letter: DeadLetter, store: Store) -> bytes:
    """Return the raw mail or the JSON of a message; a large mail is in the blob store.

    Raises:
        NotFoundError: its blob is gone.
    """
    blob = _fields(letter.headers.get(_FIELDS)).get("blob")
    return await store.blobs.get(blob) if blob and not letter.body else letter.body


def size_of(letter: DeadLetter) -> int:
    """Return the octets of the raw mail or the JSON of a message."""
    return len(letter.body) or int(_fields(letter.headers.get(_FIELDS)).get("size", 0))


class Place(NamedTuple):
    """Which copy a letter is about, in the words of its owner: nothing of what the mail says."""

    account: str
    folder: str
    uid: int
    received_at: datetime
    state: RowState
    reason: str | None


async def place_of(letter: DeadLetter, store: Store) -> Place | None:
    """Return where the mail lies that a letter is about; None when it is about none, or its account is gone."""
    row = await store.ledger.get(letter.row) if letter.row else None
    account = (await store.accounts.of_ids([row.account])).get(row.account) if row else None
    if row is None or account is None:
        return None
    names = {folder.id: folder.name for folder in await store.folders.of(account.id)}
    return Place(account.address, names.get(row.folder, row.folder), row.uid, row.internal_date, row.state, row.reason)


async def replay(letter: DeadLetter, store: Store, bus: Bus, *, by: str) -> None:
    """Send a dead letter to its queue again. Interrupted, it may be replayed once more.

    The row first: were the message handled before the row is unfinished, the row would stay so for ever. What consumers died
    of is handled alone again: should it still kill, it harms no other mail.
    """
    if letter.row:
        await store.operator_ledger.requeue_quarantined(letter.row)
    await _lend_blobs(letter, store)
    headers = {**letter.headers, "content-type": letter.content_type}
    await bus.replay(letter.queue, letter.body, headers, isolated=letter.reason == CRASHED)
    await _forget(letter, store, "dead-letter.replay", by=by)


async def drop(letter: DeadLetter, store: Store, *, by: str) -> None:
    """Give a dead letter up: its copy ends as skipped, its body and blobs go."""
    if letter.row:
        await store.operator_ledger.drop_quarantined(letter.row, by=by)
    await _forget(letter, store, "dead-letter.drop", by=by)


async def _forget(letter: DeadLetter, store: Store, what: str, *, by: str) -> None:
    await store.dead_letters.remove([letter.id])
    await store.audit.add(what, by=by, subject=f"dead-letter:{letter.id}", queue=letter.queue, row=letter.row)


async def _lend_blobs(letter: DeadLetter, store: Store) -> None:
    """Let the blobs that the letter held be held by what it is about again, as before it died."""
    if (blob := _fields(letter.headers.get(_FIELDS)).get("blob")) and letter.row:
        await store.blob_refs.add_ref([blob], copy_ref(letter.row))
    content = _fields(letter.body).get("content")
    if isinstance(content, dict) and "key" in content:
        named = [
            content.get("raw"),
            content.get("html_blob"),
            *(one["sha256"] for one in content.get("attachments", ())),
        ]
        await store.blob_refs.add_ref([name for name in named if name], email_ref(content["key"]))


def _fields(text: str | bytes | None) -> dict[str, Any]:
    """Return a JSON object's fields; none for what is no JSON object: it may be why the letter died."""
    try:
        found = orjson.loads(text or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
