"""What damages a small mail is repeated until it is large: the CPU time of reading it grows no faster than its size."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from schemas.raw_mail import split_raw
from tests.cpu_cost import MOST, cpu_seconds, growth
from tests.parser.hostile.test_samples import ALL
from tests.parser.samples import content

_SMALL, _SIZE = 3_000, 40_000
"""Bytes: of what is repeated at most, and of the smaller one of the large mails."""
_STEP = 1 if os.environ.get("LEADMAIL_LONG") else 41
_CHEAP = 0.02
"""CPU seconds of the larger mail below which its growth says nothing."""
_FIELD_ENDS = re.compile(rb"\r?\n(?![ \t])")
_LISTS = (b"from", b"to", b"cc", b"bcc")


def _repeats() -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """Yield what is repeated, between what it is repeated: each body, and the value of each field."""
    seen: set[bytes] = set()
    for name, (raw, _) in ALL.items():
        head, body = split_raw(raw)
        if body and len(raw) <= _SMALL and raw not in seen:
            yield f"{name}: body", head, body, b""
        for line in _FIELD_ENDS.split(head):
            field, colon, value = line.partition(b":")
            if colon and 0 < len(value) <= _SMALL and line not in seen:
                between = b"," if field.lower() in _LISTS else b""
                yield f"{name}: {field.decode('latin-1')[:30]}", field + b":", value + between, b"\r\n" + head + body
            seen.add(line)
        seen.add(raw)


_ALL = {name: pieces for name, *pieces in _repeats()}


@pytest.mark.parametrize("name", list(_ALL)[::_STEP])
def test_repeated_damage_is_read_in_linear_time(name: str) -> None:
    """Four times as much of it takes about four times the CPU time."""
    before, piece, after = _ALL[name]

    def read(times: int) -> None:
        content(before + piece * (_SIZE * times // len(piece) + 1) + after)

    assert cpu_seconds(lambda: read(4)) < _CHEAP or growth(read) < MOST
