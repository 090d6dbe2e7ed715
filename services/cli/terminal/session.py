"""Settings, store and broker for the length of one command, and plain sentences for what can go wrong."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from schemas.accounts import Account, AccountState
from schemas.addresses import InvalidAddressError, InvalidDomainError
from schemas.errors import BusClosedError, LayoutError, NotReadyError, TopologyError, UnroutableError
from services.cli.terminal.output import fail
from services.mailbox.connection import ConnectPolicy, MailServerError, SealError, SecretBox
from services.runtime.environment import SettingsError
from services.runtime.failures import DatabaseError, DatabaseRefusedError
from services.runtime.mongo import make_client, require_replica_set
from services.settings import CliSettings
from services.store import Store, StoreError
from services.wiring import make_policy, make_secret_box, make_store

if TYPE_CHECKING:
    from services.amqp.delivery.bus import Bus

P = ParamSpec("P")
T = TypeVar("T")
_CONNECT_SECONDS = 5.0

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
"""Exit codes."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    settings: CliSettings
    store: Store
    migrated: tuple[str, ...] = ()
    """Migrations that this command ran."""

    @property
    def box(self) -> SecretBox:
        """Seals and opens credentials."""
        return make_secret_box(self.settings)

    @property
    def policy(self) -> ConnectPolicy:
        """What connections to mail servers are made under."""
        return make_policy(self.settings)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """Yield a connection to the broker.

        Raises:
            SettingsError: its URL is not set.
            NotReadyError: it does not answer.
        """
        # Only here: few commands need the broker, and its client takes longer to import than most commands take to run.
        from services.amqp.rabbitmq.bus import open_bus  # noqa: PLC0415
        from services.runtime.logs import setup_logs  # noqa: PLC0415
        from services.runtime.metrics import Metrics  # noqa: PLC0415

        if not self.settings.rabbitmq_url.get_secret_value():
            raise SettingsError("LEADMAIL_RABBITMQ_URL is not set: give the URL of RabbitMQ.")
        quiet = self.settings.model_copy(update={"log_level": "error"})  # a command says itself what is wrong
        log = setup_logs(quiet, "cli")
        async with open_bus(self.settings, "cli", metrics=Metrics("cli"), log=log, seconds=_CONNECT_SECONDS) as bus:
            yield bus

    async def connected(self, name: str) -> Account:
        """Return an account that is not disconnected, by address or id.

        Raises:
            NotFoundError: there is none of this name.
        """
        account = await self.store.accounts.find(name)
        if account.state is AccountState.DISCONNECTED:
            fail(f"{account.address} is disconnected: connect it again with `leadmail account add`")
        return account


@asynccontextmanager
async def open_session(*, setup: bool = False) -> AsyncIterator[Session]:
    """Yield a session on the settings of the environment.

    Args:
        setup: make collections and indexes that are missing and migrate, for commands that may be the first to write.
    """
    settings = CliSettings.read()
    async with make_client(settings) as mongo:
        await require_replica_set(mongo)
        store = make_store(mongo[settings.mongo_database], mongo[settings.crm_database], settings)
        migrated = await store.setup() if setup else ()
        yield Session(settings, store, migrated)


@contextmanager
def explained() -> Iterator[None]:
    """End the command with one sentence for every error that is to be expected."""
    try:
        yield
    except (InvalidAddressError, InvalidDomainError) as error:
        fail(str(error), code=USAGE)
    except SettingsError as error:
        fail(str(error), code=USAGE)
    except (StoreError, MailServerError) as error:
        fail(str(error))
    except SealError as error:
        fail(f"the saved password cannot be opened ({error}): check LEADMAIL_SECRET_KEY and LEADMAIL_SECRET_KEYS_OLD")
    except NotReadyError as error:
        setting = "LEADMAIL_RABBITMQ_URL" if "RabbitMQ" in str(error) else "LEADMAIL_MONGO_URL"
        advice = "" if setting in str(error) else f": check that it runs, and {setting}"
        fail(f"{error}{advice}", code=UNREACHABLE)
    except (TopologyError, LayoutError, UnroutableError, BusClosedError) as error:
        fail(str(error), code=UNREACHABLE)
    except DatabaseRefusedError as error:
        # Its text names collections and commands, never what is in a document of ours.
        fail(
            f"MongoDB refuses ({error.details and error.details.get('codeName')}): check its user's rights",
            code=UNREACHABLE,
        )
    except DatabaseError as error:
        fail(
            f"MongoDB stopped answering ({type(error).__name__}): try again, and check LEADMAIL_MONGO_URL",
            code=UNREACHABLE,
        )


def do(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own. Questions are asked between two of these, never inside: a loop must not wait for a person."""
    with explained():
        return asyncio.run(work)


def command(function: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Make a typer command of a coroutine function."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        do(_await(function(*args, **kwargs)))

    return wrapper


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable
