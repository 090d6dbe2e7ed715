"""Services whose mailboxes Leadmail opens in its own name, as an administrator of the company allows there.

Google: a service account with domain-wide delegation, which names the mailbox in each request. Microsoft: an application with the
permission ``IMAP.AccessAsApp``, to which Exchange gives access to mailboxes. The operator's own: as Google's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pydantic import SecretStr, ValidationError

from schemas.base import Contract
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.sign_in_services import GENERIC, MailServers, SignInService
from services.mailbox.providers import directory


class ServiceAccountKey(Contract):
    """The key file of a service account, as Google gives it."""

    client_email: str
    private_key: SecretStr
    private_key_id: str = ""
    token_uri: str = ""

    @classmethod
    def read(cls, text: SecretStr) -> Self:
        """Return the key of a file.

        Raises:
            ValueError: it is no key file. The text contains nothing of it.
        """
        try:
            found = cls.model_validate_json(text.get_secret_value())
            usable = RSAKey.import_key(found.private_key.get_secret_value()).is_private
        except (ValidationError, JoseError, ValueError, TypeError):
            usable = False
        if not usable:
            raise ValueError("it is not the JSON key file of a service account")
        return found


class AppOnlyService(SignInService):
    """A service that gives tokens for mailboxes to Leadmail itself. They read mail: such a mailbox has no outgoing server."""

    def mailbox(self, address: str) -> MailServers:
        """Return where the mailbox of an address is."""
        return replace(super().mailbox(address), outgoing=None)


def google(key_file: SecretStr) -> Iterator[AppOnlyService]:
    """Yield Google if there is the key file of a service account.

    Raises:
        ValueError: it is none; the text names the setting.
    """
    if key_file.get_secret_value():
        sign_in, key = directory().sign_ins["google"], _read("LEADMAIL_GOOGLE_SERVICE_ACCOUNT", key_file)
        app = _app(key, key.token_uri or sign_in.token, sign_in.app_only_scopes)
        yield AppOnlyService(key=sign_in.key, name=sign_in.name, app=app, provider=sign_in.provider)


def microsoft(client_id: str, client_secret: SecretStr, tenant: str) -> Iterator[AppOnlyService]:
    """Yield Microsoft if there is an application.

    Raises:
        ValueError: it is set up in part only; the text names the settings.
    """
    if not client_id:
        return
    if not (client_secret.get_secret_value() and tenant):
        raise ValueError(
            "LEADMAIL_MICROSOFT_APP_CLIENT_ID, LEADMAIL_MICROSOFT_APP_CLIENT_SECRET and LEADMAIL_MICROSOFT_APP_TENANT belong"
            " together: set all three."
        )
    sign_in = directory().sign_ins["microsoft"]
    app = OAuthApp(
        endpoints=Endpoints(token=sign_in.token.replace("{tenant}", tenant)),
        client_id=client_id,
        client_secret=client_secret,
        scopes=sign_in.app_only_scopes,
    )
    yield AppOnlyService(key=sign_in.key, name=sign_in.name, app=app, provider=sign_in.provider)


def own(name: str, key_file: SecretStr, imap: str, scopes: tuple[str, ...]) -> Iterator[AppOnlyService]:
    """Yield the operator's own service if there is the key file of a service account.

    Raises:
        ValueError: it is none, or set up in part only; the text names the settings.
    """
    if not key_file.get_secret_value():
        return
    key = _read("LEADMAIL_OAUTH_SERVICE_ACCOUNT", key_file)
    if not (imap and key.token_uri):
        raise ValueError(
            "LEADMAIL_OAUTH_SERVICE_ACCOUNT is set: set LEADMAIL_OAUTH_IMAP, too, and name token_uri in the key file."
        )
    asked = tuple(one for one in scopes if one not in {"openid", "offline_access"})
    yield AppOnlyService(key=GENERIC, name=name, app=_app(key, key.token_uri, asked), imap=imap)


def _read(name: str, key_file: SecretStr) -> ServiceAccountKey:
    try:
        return ServiceAccountKey.read(key_file)
    except ValueError as error:
        raise ValueError(f"{name} is wrong: {error}.") from None


def _app(key: ServiceAccountKey, token: str, scopes: tuple[str, ...]) -> OAuthApp:
    return OAuthApp(
        endpoints=Endpoints(token=token),
        client_id=key.client_email,
        scopes=scopes,
        signing_key=key.private_key,
        key_id=key.private_key_id,
    )
