"""Every version of every message that was ever sent must always decode.

A sample is a message as it was on the wire (headers and body) with its fields as they were meant. Samples are never changed: a
message gains optional fields, or a new version with its own samples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.messages import MESSAGES, MailFetched
from services.amqp.delivery import codec
from tools.contracts.asyncapi import message_name

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    """Return a sample."""
    sample: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return sample


def within(old: Any, new: Any) -> bool:
    """Whether everything that the old value had is still there; new fields may have been added."""
    match old:
        case dict():
            return isinstance(new, dict) and all(
                name in new and within(value, new[name]) for name, value in old.items()
            )
        case list():
            return isinstance(new, list) and len(old) == len(new) and all(map(within, old, new))
        case _:
            return bool(old == new)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_decodes(path: Path) -> None:
    """A message that was once sent decodes to what it meant then."""
    sample = load(path)
    message = codec.decode(sample["headers"], sample["body"].encode())
    assert within(sample["fields"], json.loads(message.model_dump_json()))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_survives_a_round(path: Path) -> None:
    """A decoded message that is sent on decodes to the same."""
    sample = load(path)
    message = codec.decode(sample["headers"], sample["body"].encode())
    raw = sample["body"].encode() if isinstance(message, MailFetched) else None
    envelope = codec.encode(message, raw, source="/leadmail/test")
    assert codec.decode(envelope.headers, envelope.body) == message
    assert envelope.headers[codec.ID] == sample["headers"][codec.ID]


def test_every_message_has_a_sample() -> None:
    """No message version is without a sample."""
    sampled = {load(path)["headers"][codec.TYPE] for path in SAMPLES}
    assert {f"leadmail.{message_name(message)}" for message in MESSAGES} <= sampled
