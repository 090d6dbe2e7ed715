"""Settings, store and broker for the length of one command, and plain sentences for what can go wrong."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec

from pydantic import ValidationError
from pymongo.errors import PyMongoError

from schemas.addresses import InvalidAddressError, InvalidDomainError
from services.cli.output import fail
from services.mailbox.errors import MailServerError
from services.mailbox.policy import ConnectPolicy
from services.mailbox.secrets import SealError, SecretBox
from services.runtime.bus import Bus
from services.runtime.errors import NotReadyError, TopologyError
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.mongo import make_client, require_replica_set
from services.runtime.rabbit import open_bus
from services.runtime.settings import Settings, load_settings
from services.store import Store
from services.store.errors import StoreError
from services.wiring import make_box, make_policy, make_store

P = ParamSpec("P")
_CONNECT_SECONDS = 5.0

OPERATOR = "operator"
"""Who the audit log says it was: the command line is the operator's tool, it asks nobody for a password."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    settings: Settings
    store: Store

    @property
    def box(self) -> SecretBox:
        """Seals and opens credentials."""
        return make_box(self.settings)

    @property
    def policy(self) -> ConnectPolicy:
        """What connections to mail servers are made under."""
        return make_policy(self.settings)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """Yield a connection to the broker; ends the command when its URL is not set."""
        if not self.settings.rabbitmq_url.get_secret_value():
            fail("LEADMAIL_RABBITMQ_URL is not set: give the URL of RabbitMQ.", code=2)
        log = setup_logs(self.settings, "cli")
        async with open_bus(self.settings, "cli", metrics=Metrics("cli"), log=log, seconds=_CONNECT_SECONDS) as bus:
            yield bus


@asynccontextmanager
async def open_session() -> AsyncIterator[Session]:
    """Yield a session on the settings of the environment."""
    settings = load_settings("cli")
    async with make_client(settings) as mongo:
        await require_replica_set(mongo)
        store = make_store(mongo[settings.mongo_database], mongo[settings.crm_database], settings)
        await store.setup()
        yield Session(settings, store)


def command(function: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Make a typer command of a coroutine function; expected errors become one sentence and exit code 1."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            asyncio.run(_await(function(*args, **kwargs)))
        except ValidationError as error:
            fail(
                "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors(include_input=False)), code=2
            )
        except (StoreError, InvalidAddressError, InvalidDomainError, MailServerError, SealError) as error:
            fail(str(error))
        except (NotReadyError, TopologyError) as error:
            fail(str(error), code=3)
        except PyMongoError as error:
            fail(
                f"the database does not answer as it should ({type(error).__name__}): check LEADMAIL_MONGO_URL.", code=3
            )

    return wrapper


async def _await(coroutine: Awaitable[Any]) -> None:
    await coroutine
