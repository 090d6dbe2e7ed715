"""A delivered message that is not settled yet, and its settler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Settler(Protocol):
    """Acknowledges the messages of one channel."""

    async def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge messages. Does nothing if the channel is closed: the broker then delivers them again."""
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
