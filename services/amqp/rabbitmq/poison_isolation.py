"""Handles poison candidates: messages that the broker gave up because one consumer after the other died while handling them.

Most of them are innocent: when one message crashes a process, the messages in progress beside it are redelivered, too. So each
candidate is handled once more with nothing else in progress: the process stops consuming, finishes its work, and fetches candidates
one at a time. A message that crashes its consumers again is poison and ends in the dead letters. The others need no operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from schemas.routes import Route, isolated_queue
from services.amqp.delivery.dispatch import Dispatcher
from services.amqp.rabbitmq.acknowledgements import AckBatcher, incoming_message
from services.amqp.rabbitmq.connection import RabbitConnection
from services.amqp.rabbitmq.connection_loss import close_channel
from services.amqp.rabbitmq.subscription import Restore, Subscription
from services.runtime.tasks import cancel_once

LOOK_SECONDS = 5.0
"""Between checks for candidates."""
_TURN_SECONDS = 2.0
"""How long candidates are handled before the other queues get their turn, which lasts a quarter of it."""
_DRAIN_SECONDS = 60.0


class PoisonIsolation:
    """Handles the poison candidates of some routes."""

    def __init__(
        self,
        rabbit: RabbitConnection,
        others: Callable[[], Sequence[Subscription]],
        restore: Restore,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """Take the connection and ``others``, the subscriptions to pause meanwhile."""
        self._rabbit = rabbit
        self._others = others
        self._restore = restore
        self._log = log
        self._dispatchers: dict[str, Dispatcher] = {}
        self._working = asyncio.Lock()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def add(self, route: Route, dispatcher: Dispatcher) -> None:
        """Handle the candidates of this route, too."""
        self._dispatchers[isolated_queue(route)] = dispatcher
        if self._task is None:
            self._task = asyncio.create_task(self._rabbit.serve(self._serve), name="poison-isolation")

    async def stop(self, grace: float | None = None) -> bool:
        """See ``bus.Consumer.stop``."""
        self._stopping = True
        finished = True
        try:
            async with asyncio.timeout(grace), self._working:
                pass
        except TimeoutError:
            finished = False
        await self.abandon()
        return finished

    async def abandon(self) -> None:
        """Stop at once; what is in progress is cancelled and delivered again."""
        if self._task is not None:
            await cancel_once(self._task)

    async def _serve(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=False)
        try:
            while not self._stopping:
                pause = LOOK_SECONDS
                waiting = [
                    queue
                    for queue in list(self._dispatchers)
                    if (await channel.queue_declare(queue, passive=True)).message_count
                ]
                if waiting and await self._turn(connection, waiting):
                    pause = _TURN_SECONDS / 4
                await asyncio.sleep(pause)
        except ChannelNotFoundEntity:
            await self._restore(connection)
            raise
        finally:
            await close_channel(channel)

    async def _turn(self, connection: AbstractConnection, queues: Sequence[str]) -> bool:
        """Handle candidates for a while, with nothing else in progress. Returns whether that was possible."""
        async with self._working:
            others = self._others()
            try:
                if not all(await asyncio.gather(*(other.pause(_DRAIN_SECONDS) for other in others))):
                    self._log.warning("poison candidates have to wait: other work does not finish")
                    return False
                # One channel per turn: what could not be settled returns to its queue when the channel closes.
                channel = await connection.channel(publisher_confirms=False)
                try:
                    await self._work(channel, queues)
                finally:
                    await close_channel(channel)
            finally:
                await asyncio.gather(*(other.resume() for other in others))
        return True

    async def _work(self, channel: AbstractChannel, queues: Sequence[str]) -> None:
        settler = AckBatcher(channel)
        end = asyncio.get_running_loop().time() + _TURN_SECONDS
        for queue in queues:
            while not self._stopping and asyncio.get_running_loop().time() < end:
                message = await channel.basic_get(queue)
                if not isinstance(message.delivery, Basic.GetOk):
                    break
                # In its own task: the context variables of its log lines must not leak into the next.
                await asyncio.create_task(self._dispatchers[queue].process([incoming_message(message, settler)]))
                await settler.flushed()
