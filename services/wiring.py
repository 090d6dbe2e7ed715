"""From settings to collaborators: the one place that every ``__main__``, the command line and the tests build them in.

What only some processes and commands need is imported where it is built.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from email.message import EmailMessage
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

from pymongo.asynchronous.database import AsyncDatabase

from schemas.addresses import InvalidAddressError, normal_address, normal_address_or_none
from services.mailbox.connection import ConnectPolicy, NetGuard, SecretBox, derive, key_id
from services.runtime.environment import SettingsError
from services.runtime.mail_settings import (
    MailServerSettings,
    RelaySettings,
    SecretSettings,
    SenderSettings,
)
from services.runtime.people_settings import SignInSettings
from services.runtime.settings import LeaseSettings, StoreSettings, UndoSettings
from services.store import Store, StoreConfig

if TYPE_CHECKING:
    from services.mailbox.oauth.sign_in_services import SignInService, SignInServices
    from services.mailbox.smtp import Relay, RelayTokens, RelayTokenStore

Post = Callable[[EmailMessage, str], Awaitable[None]]
"""Sends a mail to an address; raises ``MailServerError`` or ``RejectedError``."""


def make_store(
    database: AsyncDatabase[dict[str, Any]],
    crm: AsyncDatabase[dict[str, Any]],
    settings: StoreSettings,
    *,
    for_leases: AsyncDatabase[dict[str, Any]] | None = None,
) -> Store:
    """Return the store. A process without ``SecretSettings`` (parser, notifier) gets one that cannot compute blind-index hashes."""
    more: dict[str, float] = {"lease_seconds": settings.lease_seconds} if isinstance(settings, LeaseSettings) else {}
    if isinstance(settings, UndoSettings):
        more["undo_days"] = settings.undo_days
    keys: dict[str, bytes] = make_blind_index_keys(settings) if isinstance(settings, SecretSettings) else {}
    return Store(
        database,
        crm,
        StoreConfig(
            blind_index_keys=keys,
            leads=settings.crm_leads_collection,
            contacts=settings.crm_contacts_collection,
            address_fields=settings.crm_address_fields,
            name_fields=settings.crm_name_fields,
            owner_field=settings.crm_owner_field,
            company_field=settings.crm_company_field,
            readers_field=settings.crm_readers_field,
            summary_field=settings.crm_summary_field,
            **more,
        ),
        for_leases=for_leases,
    )


def make_blind_index_keys(settings: SecretSettings) -> dict[str, bytes]:
    """Return the keys of the marks by the ids of the deployment's secrets: the current one first, the oldest last."""
    secrets = [key.get_secret_value() for key in (settings.secret_key, *settings.secret_keys_old)]
    return {key_id(secret): derive(secret, "marks") for secret in secrets} if secrets[0] else {}


def make_policy(settings: MailServerSettings) -> ConnectPolicy:
    """Return what every connection to a mail server is made under."""
    return ConnectPolicy.build(
        allow_networks=settings.allow_networks,
        ca_file=settings.ca_file or None,
        allow_plaintext=settings.allow_plaintext,
    )


def make_sign_in_services(settings: SignInSettings, policy: ConnectPolicy) -> SignInServices:
    """Return the services at which users can sign in to their mailboxes: those that the operator set up."""
    from services.mailbox.oauth.sign_in_services import SignInService, SignInServices
    from services.mailbox.providers import directory

    known = directory().sign_ins
    found = [
        SignInService.listed(known[key], client_id, secret, settings.microsoft_tenant)
        for key, client_id, secret in (
            ("google", settings.google_client_id, settings.google_client_secret),
            ("microsoft", settings.microsoft_client_id, settings.microsoft_client_secret),
        )
        if client_id
    ]
    if settings.oauth_client_id:
        found.append(_own_service(settings))
    return SignInServices(found, policy, _app_only_services(settings))


def _app_only_services(settings: SignInSettings) -> Iterable[SignInService]:
    """Return the services whose mailboxes Leadmail opens in its own name.

    Raises:
        SettingsError: one is set up in part only, or its key file is none.
    """
    google, own = settings.google_service_account, settings.oauth_service_account
    tenant, client_id = settings.microsoft_app_tenant, settings.microsoft_app_client_id
    secret = settings.microsoft_app_client_secret
    if not (client_id or google.get_secret_value() or own.get_secret_value()):
        return ()
    from services.mailbox.oauth import app_only

    try:
        return [
            *app_only.google(google),
            *app_only.microsoft(client_id, secret, tenant),
            *app_only.own(settings.oauth_name, own, settings.oauth_imap, settings.oauth_scopes),
        ]
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _own_service(settings: SignInSettings) -> SignInService:
    """Return the operator's own service.

    Raises:
        SettingsError: it is set up in part only.
    """
    from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
    from services.mailbox.oauth.sign_in_services import GENERIC, SignInService

    if not settings.oauth_imap or not (
        settings.oauth_issuer or (settings.oauth_authorization_url and settings.oauth_token_url)
    ):
        raise SettingsError(
            "LEADMAIL_OAUTH_CLIENT_ID is set: set LEADMAIL_OAUTH_ISSUER (or LEADMAIL_OAUTH_AUTHORIZATION_URL and"
            " LEADMAIL_OAUTH_TOKEN_URL) and LEADMAIL_OAUTH_IMAP, too."
        )
    endpoints = Endpoints(
        issuer=settings.oauth_issuer,
        authorization=settings.oauth_authorization_url,
        token=settings.oauth_token_url,
        device=settings.oauth_device_url,
        revocation=settings.oauth_revocation_url,
        userinfo=settings.oauth_userinfo_url,
    )
    return SignInService(
        key=GENERIC,
        name=settings.oauth_name,
        app=OAuthApp(
            endpoints=endpoints,
            client_id=settings.oauth_client_id,
            client_secret=settings.oauth_client_secret,
            scopes=settings.oauth_scopes,
            # OpenID Connect Core section 11: without it, a service ignores the request for a refresh token.
            parameters={"prompt": "consent"} if "offline_access" in settings.oauth_scopes else {},
        ),
        imap=settings.oauth_imap,
        smtp=settings.oauth_smtp,
    )


def make_relay(settings: RelaySettings, policy: ConnectPolicy, kept: RelayTokenStore) -> Relay:
    """Return the server that sends Leadmail's own mail. ``kept`` is where a refresh token that rotates is kept.

    Raises:
        SettingsError: its URL is wrong, or its sign-in is set up in part only.
    """
    from services.mailbox.smtp import parse_relay

    tokens = _relay_tokens(settings, policy, kept) if settings.smtp_oauth_client_id else None
    try:
        return parse_relay(settings.smtp_url.get_secret_value(), tokens)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _relay_tokens(settings: RelaySettings, policy: ConnectPolicy, kept: RelayTokenStore) -> RelayTokens:
    from services.mailbox.oauth.client import OAuthClient
    from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
    from services.mailbox.smtp import RelayRefresher, RelayTokens

    refresh = settings.smtp_oauth_refresh_token
    if not settings.smtp_oauth_token_url:
        raise SettingsError("LEADMAIL_SMTP_OAUTH_CLIENT_ID is set: set LEADMAIL_SMTP_OAUTH_TOKEN_URL, too.")
    secret = settings.smtp_oauth_client_secret
    if not secret.get_secret_value() and not refresh.get_secret_value():
        raise SettingsError(
            "LEADMAIL_SMTP_OAUTH_CLIENT_ID is set: set LEADMAIL_SMTP_OAUTH_CLIENT_SECRET or"
            " LEADMAIL_SMTP_OAUTH_REFRESH_TOKEN, too."
        )
    app = OAuthApp(
        endpoints=Endpoints(token=settings.smtp_oauth_token_url),
        client_id=settings.smtp_oauth_client_id,
        client_secret=secret if secret.get_secret_value() else None,
        scopes=settings.smtp_oauth_scopes,
    )
    # The operator names this server like the relay, so it may be in a private network.
    own = replace(policy, guard=NetGuard.unrestricted())
    client = OAuthClient(app, own)
    return RelayTokens(client, RelayRefresher(client, refresh, kept) if refresh.get_secret_value() else None)


def make_post(settings: SenderSettings, policy: ConnectPolicy, kept: RelayTokenStore) -> Post:
    """Return a function that sends one of Leadmail's own mails, by ``LEADMAIL_SMTP_URL``.

    Raises:
        SettingsError: the URL or the sender is wrong.
    """
    from services.mailbox.outgoing_mail import serialize
    from services.mailbox.smtp import submit

    relay = make_relay(settings, policy, kept)
    try:
        envelope = normal_address(parseaddr(settings.mail_from)[1])
    except InvalidAddressError:
        raise SettingsError(
            "LEADMAIL_MAIL_FROM is wrong: give a sender such as Leadmail <leadmail@example.com>."
        ) from None

    async def post(mail: EmailMessage, to: str) -> None:
        await submit(relay, serialize(mail), sender=envelope, recipients=[to], policy=policy)

    return post


async def note_sender(store: Store, settings: SenderSettings) -> None:
    """Note the address of Leadmail's own mail in the store, where it counts as internal. ``make_post`` checks the setting."""
    if address := normal_address_or_none(parseaddr(settings.mail_from)[1]):
        await store.company.note_sender(address)


def make_secret_box(settings: SecretSettings) -> SecretBox:
    """Return what seals and opens credentials."""
    return SecretBox.from_keys(
        settings.secret_key.get_secret_value(), *(old.get_secret_value() for old in settings.secret_keys_old)
    )
