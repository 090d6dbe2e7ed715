"""Settings, store and broker for one command, and plain sentences for expected errors."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from schemas.accounts import Account, AccountState
from schemas.addresses import InvalidAddressError, InvalidDomainError
from schemas.errors import BusClosedError, LayoutError, NotReadyError, TopologyError, UnroutableError
from services.cli.terminal.output import UNREACHABLE, USAGE, fail
from services.mailbox.connection import MailServerError, SealError
from services.runtime.environment import SettingsError
from services.runtime.failures import DatabaseError, DatabaseRefusedError
from services.runtime.mongo import make_client, require_replica_set
from services.settings import CliSettings
from services.store import OPERATOR, Store, StoreError
from services.wiring import make_policy, make_secret_box, make_sign_in_services, make_store

if TYPE_CHECKING:
    from services.amqp import Bus, QueueReader
    from services.mailbox.connection import ConnectPolicy, SecretBox
    from services.mailbox.oauth.sign_in_services import SignInServices
    from services.mailbox.oauth.token_refresh import TokenRefresher
    from services.usecases.connecting.saving import AccountSaver
    from services.usecases.connecting.token_revoker import TokenRevoker

P = ParamSpec("P")
T = TypeVar("T")
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Session:
    """The settings and connections that a command uses."""

    settings: CliSettings
    store: Store
    migrated: tuple[str, ...] = ()
    """Migrations that this command ran."""

    @property
    def box(self) -> SecretBox:
        """The box that encrypts and decrypts credentials."""
        return make_secret_box(self.settings)

    @property
    def policy(self) -> ConnectPolicy:
        """The policy for connections to mail servers."""
        return make_policy(self.settings)

    @property
    def sign_ins(self) -> SignInServices:
        """The services at which users sign in to their mailboxes."""
        return make_sign_in_services(self.settings, self.policy)

    @property
    def tokens(self) -> TokenRefresher:
        """Opens credentials, with fresh tokens."""
        from services.mailbox.oauth.token_refresh import TokenRefresher  # noqa: PLC0415 - see ``bus``

        return TokenRefresher(self.sign_ins, self.box, self.store.account_tokens)

    @property
    def revoker(self) -> TokenRevoker:
        """What revokes the tokens of mailboxes that are disconnected."""
        from services.usecases.connecting.token_revoker import TokenRevoker  # noqa: PLC0415 - see ``bus``

        return TokenRevoker(self.box, self.sign_ins)

    @property
    def saver(self) -> AccountSaver:
        """What saves logins, in the operator's name."""
        from services.usecases.connecting.saving import AccountSaver  # noqa: PLC0415 - see ``bus``

        return AccountSaver(self.store, self.box, self.revoker, self.policy, OPERATOR)

    @property
    def has_broker(self) -> bool:
        """Whether the URL of RabbitMQ is set."""
        return bool(self.settings.rabbitmq_url.get_secret_value())

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """Yield a connection to RabbitMQ.

        Raises:
            SettingsError: its URL is not set.
            NotReadyError: it does not answer.
        """
        self._require_broker()
        # Imported here because few commands need the broker, and its client takes longer to import than most commands run.
        from services.amqp import open_bus  # noqa: PLC0415
        from services.runtime.logs import setup_logs  # noqa: PLC0415
        from services.runtime.metrics import Metrics  # noqa: PLC0415

        quiet = self.settings.model_copy(update={"log_level": "error"})  # a command reports errors itself
        log = setup_logs(quiet, "cli")
        async with open_bus(self.settings, "cli", metrics=Metrics("cli"), log=log, seconds=_CONNECT_SECONDS) as bus:
            yield bus

    def queue_reader(self) -> QueueReader:
        """Return what reads how full the queues are. It takes a fraction of the time that ``bus`` takes to start, and declares nothing.

        Raises:
            SettingsError: the URL of RabbitMQ is not set.
        """
        self._require_broker()
        from services.amqp import QueueReader  # noqa: PLC0415 - see ``bus``

        logging.getLogger("aiormq").addHandler(logging.NullHandler())  # a command reports errors itself
        return QueueReader(self.settings)

    def _require_broker(self) -> None:
        if not self.has_broker:
            raise SettingsError("LEADMAIL_RABBITMQ_URL is not set: give the URL of RabbitMQ.")

    async def connected(self, name: str) -> Account:
        """Return an account by address or id; exits if it is disconnected.

        Raises:
            NotFoundError: there is no such account.
        """
        account = await self.store.accounts.find(name)
        if account.state is AccountState.DISCONNECTED:
            fail(f"{account.address} is disconnected: connect it again with `leadmail account add`")
        return account


@asynccontextmanager
async def open_session(*, setup: bool = False) -> AsyncIterator[Session]:
    """Yield a session with the settings of the environment.

    Args:
        setup: create missing collections and indexes and migrate, for commands that may be the first to write.
    """
    settings = CliSettings.read()
    async with make_client(settings) as mongo:
        await require_replica_set(mongo)
        store = make_store(mongo[settings.mongo_database], mongo[settings.crm_database], settings)
        migrated = await store.setup() if setup else ()
        yield Session(settings, store, migrated)


@contextmanager
def explained() -> Iterator[None]:
    """Exit with one sentence for every expected error."""
    try:
        yield
    except (InvalidAddressError, InvalidDomainError) as error:
        fail(str(error), code=USAGE)
    except SettingsError as error:
        fail(str(error), code=USAGE)
    except (StoreError, MailServerError) as error:
        fail(str(error))
    except SealError as error:
        fail(
            f"the saved password cannot be decrypted ({error}): check LEADMAIL_SECRET_KEY and LEADMAIL_SECRET_KEYS_OLD"
        )
    except NotReadyError as error:
        setting = "LEADMAIL_RABBITMQ_URL" if "RabbitMQ" in str(error) else "LEADMAIL_MONGO_URL"
        advice = "" if setting in str(error) else f": check that it is running, and check {setting}"
        fail(f"{error}{advice}", code=UNREACHABLE)
    except (TopologyError, LayoutError, UnroutableError, BusClosedError) as error:
        fail(str(error), code=UNREACHABLE)
    except DatabaseRefusedError as error:
        if error.has_error_label("TransientTransactionError"):  # after two minutes of attempts
            fail("another process kept changing the same, so this change was not made: try again", code=UNREACHABLE)
        # Its text names collections and commands, never the content of a document.
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
    """Run a coroutine in its own event loop. Prompts come between two such calls, because a loop must not wait for a user."""
    with explained():
        return asyncio.run(work)


def command(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Turn a coroutine function into a typer command."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        do(function(*args, **kwargs))

    return wrapper
