"""A delivered message that is not settled yet, and where it is acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Settler(Protocol):
    """Where messages came from and are acknowledged."""

    async def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge; does nothing when the channel is gone, since the messages come again then."""
        ...


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A delivered message that is not settled yet."""

    headers: Mapping[str, Any]
    content_type: str
    body: bytes
    redelivered: bool
    tag: int
    settler: Settler


async def settle(messages: Sequence[IncomingMessage]) -> None:
    """Acknowledge messages, those of a channel together."""
    by_settler: dict[Settler, list[int]] = defaultdict(list)
    for message in messages:
        by_settler[message.settler].append(message.tag)
    for settler, tags in by_settler.items():
        await settler.ack(tags)
