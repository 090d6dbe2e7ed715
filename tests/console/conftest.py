"""The console on a real replica set and SMTP server and, for some tests, a real RabbitMQ and Dovecot."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from services.amqp import open_bus
from services.matcher.linking.summaries import SummaryKeeper
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.settings import ConsoleSettings
from services.usecases.overview import OptionalBus
from services.wiring import make_store
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from tests import oauth
from tests.console.fixtures import URL, Office, open_office, set_up_company
from tests.matcher.histories.history import History


@pytest.fixture
def console_environment(environment: dict[str, str], mongo_database: str) -> dict[str, str]:
    """The environment of a console for this test only."""
    return {
        **environment,
        "LEADMAIL_CRM_DATABASE": f"{mongo_database}_crm",
        "LEADMAIL_SECRET_KEY": base64.b64encode(b"k" * 32).decode(),
        "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@crm.example>",
        "LEADMAIL_CONSOLE_URL": URL,
    }


@pytest.fixture
def settings(console_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ConsoleSettings:
    """The settings read from that environment."""
    for name, value in console_environment.items():
        monkeypatch.setenv(name, value)
    return ConsoleSettings.read()


@pytest.fixture
def sign_in_settings(
    settings: ConsoleSettings, servers: LocalServers, identity: IdentityServer, monkeypatch: pytest.MonkeyPatch
) -> ConsoleSettings:
    """The same with the identity server as the company's own sign-in service for mailboxes."""
    for name, value in oauth.settings(servers).items():
        monkeypatch.setenv(name, value)
    return ConsoleSettings.read()


@pytest.fixture
async def life(servers: LocalServers, settings: ConsoleSettings) -> AsyncIterator[History]:
    """An empty company in databases for this test only."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        database, crm = client[settings.mongo_database], client[settings.crm_database]
        store = make_store(database, crm, settings)
        await store.setup()
        made = History(store, database, crm, SummaryKeeper(store))
        await made.begin(store)
        yield made
        await client.drop_database(settings.crm_database)


@pytest.fixture
async def office(life: History, settings: ConsoleSettings) -> AsyncIterator[Office]:
    """The small company of ``set_up_company``, without a broker."""
    await set_up_company(life)
    async with open_office(life, settings, None) as opened:
        yield opened


@pytest.fixture
async def office_with_broker(life: History, settings: ConsoleSettings) -> AsyncIterator[Office]:
    """The same company with a real broker."""
    await set_up_company(life)
    log = setup_logs(settings, "console")
    connect = lambda: open_bus(settings, "console", metrics=Metrics("console"), log=log, seconds=30)  # noqa: E731
    async with OptionalBus(connect) as broker, open_office(life, settings, broker) as opened:
        yield opened
