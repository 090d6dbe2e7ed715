"""A message that can never be handled must not take its neighbours of the batch along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from schemas.errors import TransientError
from services.amqp.delivery.bus import HandleBatch
from services.amqp.delivery.outcomes import Delivery, Done, Failed
from services.runtime.failures import is_outage


def isolating(handle: HandleBatch) -> HandleBatch:
    """Return a handler that, when a batch fails for another reason than the weather, tries its halves, down to single messages."""

    async def handle_apart(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        try:
            return await handle(deliveries)
        except Exception as error:  # noqa: BLE001 - the runtime decides about it; here only: whose is it
            if len(deliveries) == 1 or isinstance(error, TransientError) or is_outage(error):
                return [Failed(error)] * len(deliveries)
        # The failed try may have left effects, as that of a consumer that died.
        deliveries = [replace(delivery, redelivered=True) for delivery in deliveries]
        middle = len(deliveries) // 2
        return [*await handle_apart(deliveries[:middle]), *await handle_apart(deliveries[middle:])]

    return handle_apart
