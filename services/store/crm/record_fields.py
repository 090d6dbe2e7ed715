"""Fields of the CRM's documents, by configurable paths. Pure functions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from bson import ObjectId

from schemas.addresses import normal_address_or_none
from schemas.header import read_addresses
from schemas.records import Record, RecordKind, RecordRef
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc

_MOST_ADDRESSES = 100
"""Addresses of one text."""
ADDED_BY_LEADMAIL = "added_by_leadmail"
"""The field that marks a document which Leadmail added: only such are changed or deleted."""
_IN_DOCUMENTS = ("email", "address", "value")


def record_id(value: Any) -> str:
    """Return a document's ``_id`` as text."""
    return str(value)


def id_candidates(text: str) -> list[Any]:
    """Return every ``_id`` with this text form: CRMs use ObjectIds, texts, numbers or UUIDs."""
    found: list[Any] = [text]
    if ObjectId.is_valid(text):
        found.append(ObjectId(text))
    if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 19:  # noqa: PLR2004 - digits of a 64-bit number
        found.append(int(text))
    with suppress(ValueError):
        found.append(uuid.UUID(text))
    return found


def by_kind(refs: Iterable[RecordRef]) -> dict[RecordKind, list[str]]:
    """Return the ids of records by their kind."""
    ids: dict[RecordKind, list[str]] = {}
    for ref in refs:
        ids.setdefault(ref.kind, []).append(ref.id)
    return ids


def values_at(document: Any, path: str) -> Iterator[Any]:
    """Iterate over the values at a dotted path, through arrays on the way."""
    if isinstance(document, list):
        for item in document:
            yield from values_at(item, path)
        return
    if not path:
        yield document
        return
    if isinstance(document, Mapping):
        name, _, rest = path.partition(".")
        if name in document:
            yield from values_at(document[name], rest)


def _texts(document: Doc, path: str) -> Iterator[str]:
    for value in values_at(document, path):
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from (value[name] for name in _IN_DOCUMENTS if isinstance(value.get(name), str))


def text_paths(path: str) -> tuple[str, ...]:
    """Return the paths by which a query finds the texts at a path: plain, or in documents."""
    return (path, *(f"{path}.{name}" for name in _IN_DOCUMENTS))


def _first(document: Doc, path: str) -> str | None:
    return next((text.strip() for text in _texts(document, path) if text.strip()), None)


def addresses_of(document: Doc, fields: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of a document in normal form, in order: also of ``Name <address>``, ``mailto:`` and lists."""
    texts = (text for field in fields for text in _texts(document, field))
    return tuple(dict.fromkeys(address for text in texts for address in _addresses(text)[0]))


def has_unreadable_address(document: Doc, fields: Sequence[str]) -> bool:
    """Whether a document has an address that cannot be read, so that no mail is found by it."""
    texts = (text for field in fields for text in _texts(document, field) if text.strip())
    return any(not found or unread for found, unread in map(_addresses, texts))


def _addresses(text: str) -> tuple[list[str], int]:
    """Return the addresses in a text, and how many in it cannot be read."""
    if (address := normal_address_or_none(text)) is not None:
        return [address], 0
    found = read_addresses(text.encode("utf-8", "replace"), _MOST_ADDRESSES)
    return [one.address for one in found.mailboxes], found.unread


def name_of(document: Doc, fields: Sequence[str]) -> str:
    """Return the name: the first field that is present. Fields such as ``first_name,last_name`` are joined."""
    for field in fields:
        parts = [part for name in field.split(",") if (part := _first(document, name.strip()))]
        if parts:
            return " ".join(parts)
    return ""


def record_of(kind: RecordKind, document: Doc, config: StoreConfig) -> Record:
    """Return the record of a CRM document."""
    return Record(
        ref=RecordRef(kind=kind, id=record_id(document["_id"])),
        name=name_of(document, config.name_fields),
        owner=_first(document, config.owner_field),
        company=_first(document, config.company_field),
        addresses=addresses_of(document, config.address_fields),
    )


def readers_of(document: Doc, config: StoreConfig) -> frozenset[str] | None:
    """Return the users who may read a record: those it lists, and its owner. None if it lists no one and every user may."""
    listed = {normal_address_or_none(text) or text for text in _texts(document, config.readers_field)}
    if not listed:
        return None
    owner = _first(document, config.owner_field)
    return frozenset(listed | ({normal_address_or_none(owner) or owner} if owner else set()))


def written_values(
    config: StoreConfig,
    addresses: Sequence[str],
    *,
    name: str = "",
    owner: str | None = None,
    company: str | None = None,
) -> dict[str, Any]:
    """Return what a record that Leadmail adds has at each path that is written, None for nothing.

    The first address is in the first configured field, and others are in the second.
    """
    first, *others = config.address_fields
    values: dict[str, Any] = {first: addresses[0] if len(addresses) == 1 else list(addresses)}
    if others:
        values |= {first: addresses[0], others[0]: list(addresses[1:])} if len(addresses) > 1 else {others[0]: None}
    names = [field.strip() for field in config.name_fields[0].split(",")]
    parts = name.rsplit(" ", len(names) - 1) if name else []
    return {
        **values,
        config.owner_field: owner or None,
        config.company_field: company or None,
        **dict(zip_longest(names, parts)),
    }


def new_document(
    config: StoreConfig,
    addresses: Sequence[str],
    *,
    name: str = "",
    owner: str | None = None,
    company: str | None = None,
) -> Doc:
    """Return a CRM document for a new record, with the ``written_values``."""
    document: Doc = {"_id": ObjectId(), ADDED_BY_LEADMAIL: True}
    for path, value in written_values(config, addresses, name=name, owner=owner, company=company).items():
        if value is not None:
            _put(document, path, value)
    return document


def _put(document: Doc, path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[name] = value
