"""Checks every server that Leadmail depends on, for ``leadmail doctor``. A server that is down does not stop other checks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from yarl import URL

from schemas.accounts import AccountState
from schemas.errors import BusClosedError, NotReadyError, TopologyError
from services.amqp import QueueDepth, read_broker_facts
from services.cli.operations import diagnosis, mailbox_diagnosis, sign_in_diagnosis
from services.cli.operations.diagnosis import Check, State
from services.cli.terminal.session import Session
from services.mailbox.connection import MailServerError, open_one
from services.mailbox.smtp import check
from services.runtime.environment import SettingsError
from services.runtime.failures import DatabaseError
from services.runtime.mongo import Client, make_client, require_replica_set
from services.settings import CliSettings
from services.store import Store
from services.usecases import company_domains, key_rotation
from services.wiring import make_policy, make_relay, make_secret_box, make_store

_SECONDS = 10.0


class PollerCounts(NamedTuple):
    """How many pollers are alive, and how many accounts are active."""

    pollers: int
    active: int


async def examine(settings: CliSettings) -> AsyncIterator[Check]:
    """Yield the checks of each server, one after the other."""
    counts = None
    async with make_client(settings) as client:
        try:
            await require_replica_set(client)
            counts, checks = await _database(settings, client)
        except NotReadyError as error:
            yield Check("MongoDB", State.WRONG, str(error), "Check the server and LEADMAIL_MONGO_URL.")
        except DatabaseError as error:
            yield Check("MongoDB", State.WRONG, f"refuses access ({type(error).__name__})", "Check its user's rights.")
        else:
            for one in checks:
                yield one
        async for one in _broker(settings, client, counts):
            yield one
        for one in await relay(
            settings, make_store(client[settings.mongo_database], client[settings.crm_database], settings)
        ):
            yield one
    for one in await broker_certificate(settings):
        yield one
    for one in await sign_in_diagnosis.services(settings):
        yield one
    for one in authorities(settings.ca_file):
        yield one


async def _database(settings: CliSettings, client: Client) -> tuple[PollerCounts, list[Check]]:
    store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
    facts = await store.checkup.facts()
    accounts = await store.progress.accounts()
    dead_letters = await store.dead_letters.count()
    has_secret = bool(settings.secret_key.get_secret_value())
    repeated = await store.message_ids.counts()
    everyone = await store.accounts.get_all()
    active = sum(count for group, count in accounts.items() if group.state is AccountState.ACTIVE)
    counts = PollerCounts(await store.checkup.pollers(settings.lease_seconds), active)
    return counts, [
        Check("MongoDB", State.FINE, "answers"),
        *diagnosis.database(facts),
        *mailbox_diagnosis.mail(accounts, dead_letters),
        *mailbox_diagnosis.troubles(await store.progress.troubles()),
        *sign_in_diagnosis.tokens(everyone),
        *mailbox_diagnosis.without_members(everyone),
        *(diagnosis.secrets(await key_rotation.read_status(store, make_secret_box(settings))) if has_secret else ()),
        *(
            mailbox_diagnosis.passwords(await open_one(store.accounts.sealed(), make_secret_box(settings)))
            if has_secret
            else ()
        ),
        *mailbox_diagnosis.repeated_ids(len(repeated), sum(repeated.values())),
        *mailbox_diagnosis.unreadable_addresses(await store.records.unreadable()),
        *mailbox_diagnosis.internal_people(
            [one.domain for one in await company_domains.proposed(store)], await company_domains.internal_records(store)
        ),
        *mailbox_diagnosis.unproven_addresses(await store.address_proofs.unproven()),
    ]


async def _broker(settings: CliSettings, client: Client, counts: PollerCounts | None) -> AsyncIterator[Check]:
    store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
    depths: Mapping[str, QueueDepth] = {}
    try:
        async with Session(settings, store).bus() as bus, asyncio.timeout(_SECONDS):
            depths = await bus.queue_depths()
    except SettingsError as error:
        yield Check("RabbitMQ", State.UNKNOWN, str(error))
        return
    except TopologyError as error:
        yield Check("RabbitMQ: topology", State.WRONG, *_split(str(error)))
    except (NotReadyError, BusClosedError, TimeoutError, OSError) as error:
        found = str(error) or "stopped answering"
        yield Check("RabbitMQ", State.WRONG, found, diagnosis.broker_advice(found))
    else:
        yield Check("RabbitMQ", State.FINE, "answers")
        yield Check("RabbitMQ: topology", State.FINE, "exchanges, queues and bindings match this version")
    for one in diagnosis.broker(await read_broker_facts(settings)):
        yield one
    if depths:
        for one in diagnosis.stages(depths, counts.pollers if counts else None, counts.active if counts else None):
            yield one


def _split(text: str) -> tuple[str, str]:
    """Split an error into what is wrong and what to do."""
    found, _, advice = text.partition("). ")
    return (f"{found})", advice) if advice else (text, "")


async def broker_certificate(settings: CliSettings) -> list[Check]:
    """Check the certificate of a broker that is reached over TLS."""
    url = URL(settings.rabbitmq_url.get_secret_value())
    if url.scheme != "amqps" or not url.host:
        return []
    name = "RabbitMQ: certificate"
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(url.host, url.port or 5671, ssl=context)
    except (OSError, TimeoutError) as error:
        return [
            Check(name, State.WRONG, str(error) or "no answer", "Renew it, or add its authority to LEADMAIL_CA_FILE.")
        ]
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return list(diagnosis.certificate(name, end_of(der)))


async def relay(settings: CliSettings, store: Store) -> list[Check]:
    """Check that the server that sends Leadmail's own mail takes the login. Nothing is sent."""
    if not settings.smtp_url.get_secret_value():
        return [Check("SMTP", State.UNKNOWN, "LEADMAIL_SMTP_URL is not set here: only the notifier needs it")]
    try:
        policy = make_policy(settings)
        found = make_relay(settings, policy, store.relay_refresh)
        der = await check(found, policy=policy)
    except (ValueError, SettingsError, MailServerError) as error:
        refused = isinstance(error, MailServerError) and error.code in sign_in_diagnosis.REFUSED
        what = "what LEADMAIL_SMTP_OAUTH_CLIENT_ID stands for (docs/oauth.md)" if refused else "its server"
        return [Check("SMTP", State.WRONG, str(error), f"Check LEADMAIL_SMTP_URL and {what}: owners get no mail.")]
    except DatabaseError:
        return [Check("SMTP", State.UNKNOWN, "its refresh token is kept in MongoDB, which does not answer")]
    login = "accepts the login" if found.credentials or found.tokens else "answers; no login required"
    return [
        Check("SMTP", State.FINE, login),
        *diagnosis.certificate("SMTP: certificate", end_of(der) if der else None),
    ]


def authorities(ca_file: str) -> list[Check]:
    """Check the certificate in ``LEADMAIL_CA_FILE`` that expires first."""
    if not ca_file:
        return []
    name = "LEADMAIL_CA_FILE"
    try:
        found = x509.load_pem_x509_certificates(Path(ca_file).read_bytes())
    except (OSError, ValueError):
        return [Check(name, State.WRONG, f"{ca_file} is not a readable PEM file with certificates", "Set it to one.")]
    return list(diagnosis.certificate(name, min(one.not_valid_after_utc for one in found)))


def end_of(der: bytes) -> datetime:
    """Return when a certificate expires."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc
