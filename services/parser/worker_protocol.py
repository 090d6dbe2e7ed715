"""Encodes requests and answers between the parser and its workers: lengths, then JSON, then raw bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple, Protocol

import orjson

from schemas.errors import LeadmailError
from schemas.mail import Content
from services.parser.content.parse import ParsedMail

READY = b"\x06"
"""A worker's first byte: it has imported everything and set its limits."""
_REQUEST = struct.Struct("!IQ")
_ANSWER = struct.Struct("!BIIQ")
_PARSED, _FAILED = 0, 1


class Request(NamedTuple):
    """One mail to parse."""

    raw: bytes
    account: str
    internal_date: datetime
    careful: bool = False
    """Skip steps that may take long, because the mail failed before."""


class WorkerBugError(LeadmailError):
    """The parser raised an exception, which is a bug. The text names the place and quotes no mail."""


class Reader(Protocol):
    """What an ``asyncio.StreamReader`` can do, as far as it is needed here."""

    async def readexactly(self, n: int, /) -> bytes:
        """Return exactly ``n`` bytes."""
        ...


def request_chunks(request: Request) -> Sequence[bytes]:
    """Return a request as it is written to a worker."""
    moment = int(request.internal_date.timestamp() * 1000)
    head = orjson.dumps([request.account, moment, request.careful])
    return (_REQUEST.pack(len(head), len(request.raw)), head, request.raw)


def read_request(stream: BinaryIO) -> Request | None:
    """Return the next request, or None at the end of the stream."""
    lengths = stream.read(_REQUEST.size)
    if len(lengths) < _REQUEST.size:
        return None
    head_size, raw_size = _REQUEST.unpack(lengths)
    account, moment, careful = orjson.loads(stream.read(head_size))
    raw = stream.read(raw_size)
    if len(raw) < raw_size:
        return None
    return Request(raw, account, datetime.fromtimestamp(moment / 1000, UTC), careful)


def answer_chunks(mail: ParsedMail) -> Sequence[bytes]:
    """Return an answer as it is written by a worker."""
    content = mail.content.model_dump_json().encode()
    blobs = mail.blobs
    more = orjson.dumps([mail.bcc, mail.former_key, mail.head, [(name, len(data)) for name, data in blobs.items()]])
    lengths = _ANSWER.pack(_PARSED, len(content), len(more), sum(map(len, blobs.values())))
    return (lengths, content, more, *blobs.values())


def failure_chunks(where: str) -> Sequence[bytes]:
    """Return the answer that the parser raised at a place in its code."""
    text = where.encode()
    return (_ANSWER.pack(_FAILED, len(text), 0, 0), text)


async def read_answer(stream: Reader) -> ParsedMail | WorkerBugError:
    """Return a worker's next answer.

    Raises:
        asyncio.IncompleteReadError: the worker is gone.
    """
    status, content_size, more_size, blobs_size = _ANSWER.unpack(await stream.readexactly(_ANSWER.size))
    body = await stream.readexactly(content_size + more_size)
    if status == _FAILED:
        return WorkerBugError(body.decode())
    bcc, former_key, head, sizes = orjson.loads(body[content_size:])
    data = await stream.readexactly(blobs_size) if blobs_size else b""
    return ParsedMail(
        Content.model_validate_json(body[:content_size]), tuple(bcc), former_key, head, _sliced(data, sizes)
    )


def _sliced(data: bytes, sizes: Sequence[tuple[str, int]]) -> dict[str, bytes]:
    blobs: dict[str, bytes] = {}
    position = 0
    for name, size in sizes:
        blobs[name] = data[position : position + size]
        position += size
    return blobs
