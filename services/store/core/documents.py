"""Models to BSON and back. Nothing else knows how the two forms differ.

``_id`` holds a model's key (the field is not stored twice). Enumerations are texts, tuples are arrays, bytes are Binary
(subtype 0, which is read as bytes), and datetimes are UTC with milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Account, AccountState, User
from schemas.base import Contract
from schemas.emails import Email, Link, Tombstone
from schemas.identity import thread_ids
from schemas.ledger import Row
from schemas.mail import Content

Doc = dict[str, Any]
Documents = AsyncCollection[Doc]
Database = AsyncDatabase[Doc]
M = TypeVar("M", bound=Contract)

CODEC: CodecOptions[Doc] = CodecOptions(
    document_class=dict, tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
)

_KEYS: dict[type[Contract], str] = {
    Account: "id",
    Link: "id",
    Row: "id",
    User: "email",
    Tombstone: "email",
    Content: "key",
}
"""The field that becomes the document's ``_id``. Other models have an ``_id`` made of several fields, and keep these fields."""

CHANGED: Doc = {"$currentDate": {"changed_at": {"$type": "timestamp"}}}
"""Part of every update of an account that its poller has to notice. The server makes no such time twice."""
CONNECTED: Doc = {"$ne": AccountState.DISCONNECTED.value}
"""What a query says of the ``state`` of accounts that are connected."""


_ALL_FIELDS: dict[type[Contract], set[str]] = {}
"""One set for all models of a kind. Nothing changes it: models are frozen, and ``model_copy`` copies it."""


@lru_cache(maxsize=1024)
def _alike(part: M) -> M:
    """Return an equal model. Most accounts are shared alike, and leave out the same folders."""
    return part


def now() -> datetime:
    """Return the current time as MongoDB stores it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def plain(value: Any) -> Any:
    """Return a value in a form that BSON accepts."""
    if isinstance(value, Contract):
        return {field.alias or name: plain(getattr(value, name)) for name, field in type(value).model_fields.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def encode(model: Contract, document_id: str | None = None) -> Doc:
    """Return the document of a model.

    A model whose key is made of several fields needs the ``_id``.
    """
    document: Doc = plain(model)
    if document_id is not None:
        return {"_id": document_id, **document}
    return {"_id": document.pop(_KEYS[type(model)]), **document}


def decode(kind: type[M], document: Mapping[str, Any]) -> M:
    """Return the model of a document, without fields that the model does not know."""
    key = _KEYS.get(kind)
    made = kind.model_validate({**document, key: document["_id"]} if key else document)
    share_field_names(made)
    return made


def share_field_names(model: Contract) -> None:
    """Have a model, and those in it, share the set of their fields' names with all others of their kinds; and accounts alike rules.

    pydantic notes in a set of its own which fields each model was given. A poller keeps thousands that were given all.
    """
    kind = type(model)
    if len(fields := model.model_fields_set) == len(kind.model_fields):
        object.__setattr__(model, "__pydantic_fields_set__", _ALL_FIELDS.setdefault(kind, fields))
    if kind is Account:
        values = vars(model)
        values.update(sharing=_alike(values["sharing"]), folders=_alike(values["folders"]))
        for value in values.values():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Contract):
                    share_field_names(part)


def encode_email(email: Email) -> Doc:
    """Return the document of an email: flat content, and ``refs`` (indexed) if its thread alone links it."""
    # Ten times as fast as ``encode``, and every mail passes here. BSON stores text enumerations as texts.
    document: Doc = email.content.model_dump()
    document = {"_id": document.pop("key"), **document}
    document["stored_at"] = email.stored_at
    document["by_thread"] = email.by_thread
    if email.by_thread:
        document["refs"] = references(email.content)
    return document


def references(content: Content) -> list[str]:
    """Return every Message-ID that an email names as an ancestor."""
    named = dict.fromkeys((*content.references, content.in_reply_to))
    return [name for name in named if name]


NAMED = ("message_id", "in_reply_to", "references", "thread", "marks.bounced_id")
"""Fields of an email's document that ``ids_of`` needs."""


def ids_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids by which an email joins threads."""
    named = (document.get("in_reply_to"), *document.get("references", ()), document.get("message_id"))
    return thread_ids(document["thread"], named, document.get("marks", {}).get("bounced_id"))


def decode_email(document: Mapping[str, Any]) -> Email:
    """Return the email of a document."""
    return Email(
        content=decode(Content, document),
        stored_at=document["stored_at"],
        by_thread=document.get("by_thread", False),
    )


def at_domains(domains: Iterable[str]) -> dict[str, str]:
    """Return the condition that a normal address lies in one of the domains (normal forms) or below it."""
    return {"$regex": f"[@.](?:{'|'.join(map(re.escape, domains))})$"}
