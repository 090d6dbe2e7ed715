"""Keeps a message that can never be handled from failing its neighbours in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.errors import TransientError
from services.amqp import Delivery, Done, Failed, HandleBatch
from services.runtime.failures import is_outage


def isolating(handle: HandleBatch) -> HandleBatch:
    """Return a handler that tries the halves of a failed batch, down to single messages, unless an outage is the reason."""

    async def handle_apart(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        try:
            return await handle(deliveries)
        except Exception as error:  # noqa: BLE001 - the bus decides what to do about it; this only finds the message
            if len(deliveries) == 1 or isinstance(error, TransientError) or is_outage(error):
                return [Failed(error)] * len(deliveries)
        # The failed attempt may have left effects, as a consumer that died may have.
        deliveries = [replace(delivery, redelivered=True) for delivery in deliveries]
        middle = len(deliveries) // 2
        return [*await handle_apart(deliveries[:middle]), *await handle_apart(deliveries[middle:])]

    return handle_apart
