"""From settings to collaborators: the one place that every ``__main__``, the command line and the tests build them in."""

from __future__ import annotations

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from services.mailbox.policy import ConnectPolicy
from services.mailbox.secrets import SecretBox, derive
from services.runtime.settings import Settings
from services.store import Store, StoreConfig

Database = AsyncDatabase[dict[str, Any]]


def make_store(database: Database, crm: Database, settings: Settings) -> Store:
    """Return the store. Without ``LEADMAIL_SECRET_KEY`` (parser, notifier) it can do everything but make marks."""
    return Store(
        database,
        crm,
        StoreConfig(
            mark_key=make_mark_key(settings),
            leads=settings.crm_leads_collection,
            contacts=settings.crm_contacts_collection,
            address_fields=settings.crm_address_fields,
            name_fields=settings.crm_name_fields,
            owner_field=settings.crm_owner_field,
            company_field=settings.crm_company_field,
            readers_field=settings.crm_readers_field,
            summary_field=settings.crm_summary_field,
            lease_seconds=settings.lease_seconds,
        ),
    )


def make_mark_key(settings: Settings) -> bytes | None:
    """Return the key of the marks in the ledger: of the deployment's first secret, so that marks outlive a change of the secret."""
    known = [key.get_secret_value() for key in (settings.secret_key, *settings.secret_keys_old)]
    return derive(known[-1], "marks") if known[0] else None


def make_policy(settings: Settings) -> ConnectPolicy:
    """Return what every connection to a mail server is made under."""
    return ConnectPolicy.build(
        allow_networks=",".join(str(network) for network in settings.allow_networks),
        ca_file=settings.ca_file or None,
        allow_plaintext=settings.allow_plaintext,
    )


def make_box(settings: Settings) -> SecretBox:
    """Return what seals and opens credentials."""
    return SecretBox.from_keys(
        settings.secret_key.get_secret_value(), *(old.get_secret_value() for old in settings.secret_keys_old)
    )
