"""Checks the services at which users sign in, for ``leadmail doctor``, as far as that is possible without a user."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from schemas.accounts import Account, AccountState
from services.cli.operations.diagnosis import Check, State
from services.mailbox import advice as advice_on
from services.mailbox.connection import APP_ONLY, Code
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.errors import UNREADABLE, IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.runtime.environment import SettingsError
from services.settings import CliSettings
from services.wiring import make_policy, make_sign_in_services

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient

_EXAMPLES = 3
_REACH = "Check that this machine reaches it. LEADMAIL_ALLOW_NETWORKS allows private networks, LEADMAIL_CA_FILE adds an authority."
_ALLOW = "An administrator of the mailbox's company has to allow Leadmail at the service. Then sign in again: `leadmail account login {}`."
_AGAIN = "Its owner has to sign in again: in the console, or with `leadmail account login {}`."
_ADVICE = {
    **{code: advice_on.what_to_do(code) for code in (Code.APP_REFUSED, *sorted(APP_ONLY))},
    **dict.fromkeys((Code.ADMIN_CONSENT_NEEDED, Code.UNKNOWN_APP), _ALLOW),
    **dict.fromkeys(
        (Code.OAUTH2_EXPIRED, Code.CONSENT_REVOKED, Code.CONSENT_NEEDED, Code.SECOND_FACTOR_NEEDED), _AGAIN
    ),
}
"""What to do about tokens that a service refuses to refresh."""
REFUSED = frozenset(_ADVICE)
"""Codes of a sign-in that a service refuses."""


def tokens(accounts: Iterable[Account]) -> Iterable[Check]:
    """Check for mailboxes whose tokens a service refuses to refresh."""
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for account in accounts:
        trouble = account.trouble.code if account.trouble and account.state is AccountState.ACTIVE else None
        code = account.reason if account.state is AccountState.BLOCKED else trouble
        if account.grant and code in _ADVICE:
            refused[code].append(account.address)
    for code, addresses in sorted(refused.items()):
        others = f" and {len(addresses) - _EXAMPLES} more" if len(addresses) > _EXAMPLES else ""
        found = f"{', '.join(addresses[:_EXAMPLES])}{others}: {advice_on.cause(code)}"
        state = State.WRONG if code in {Code.APP_REFUSED, *APP_ONLY} else State.WARNING
        yield Check(f"sign-in: {code}", state, found, _ADVICE[Code(code)].format(addresses[0]))
    if not refused:
        yield Check("sign-in: mailboxes", State.FINE, "no service refuses to refresh tokens")


async def services(settings: CliSettings) -> list[Check]:
    """Ask each service that is set up, and the company's identity provider, for what it publishes. No one is signed in."""
    try:
        policy = make_policy(settings)
        known = make_sign_in_services(settings, policy)
    except ValueError:
        return []  # LEADMAIL_CA_FILE, which has a check of its own
    except SettingsError as error:
        return [Check("sign-in", State.WRONG, str(error), "docs/oauth.md says which settings belong together.")]
    clients = {f"sign-in: {service.name}": known.client(key) for key, service in known.by_key.items()}
    if settings.oidc_issuer:
        # Imported here because its libraries are slow to load.
        from services.mailbox.oauth.client import OAuthClient  # noqa: PLC0415

        app = OAuthApp(endpoints=Endpoints(issuer=settings.oidc_issuer), client_id="")
        clients["sign-in: console"] = OAuthClient(app, policy)
    own = {f"sign-in: {one.name}, own name": known.client(key, app_only=True) for key, one in known.app_only.items()}
    return await asyncio.gather(
        *(_ask(name, client) for name, client in clients.items()), *(_ask_own(*one) for one in own.items())
    )


async def _ask(name: str, client: OAuthClient) -> Check:
    host, advice = client.app.host, "Check the issuer, or the URLs, that are set."
    try:
        endpoints = await client.endpoints()
        if not (endpoints.authorization and endpoints.token):
            return Check(name, State.WRONG, f"{host}: its configuration lacks an endpoint", advice)
        if endpoints.keys:
            await client.get_json(endpoints.keys)
        await _reach(client, endpoints.token)
    except IdentityServerError as error:
        return Check(name, State.WRONG, f"{host}: {error.description}", advice if error.error == UNREADABLE else _REACH)
    return Check(name, State.FINE, f"{host} answers")


async def _ask_own(name: str, client: OAuthClient) -> Check:
    """Check a service whose mailboxes Leadmail opens in its own name. A client secret is tried; a key needs a mailbox to try it."""
    # Imported here because its libraries are slow to load.
    from services.mailbox.oauth.own_tokens import own_tokens  # noqa: PLC0415

    host = client.app.host
    try:
        await (_reach(client, client.app.endpoints.token) if client.app.signing_key else own_tokens(client, ""))
    except IdentityServerError as error:
        code = as_mail_error(error, app_only=True).code
        return Check(name, State.WRONG, f"{host}: {advice_on.cause(code)}", _ADVICE.get(code, _REACH))
    return Check(name, State.FINE, f"{host} answers")


async def _reach(client: OAuthClient, url: str) -> None:
    """Ask an endpoint that has nothing to say without a sign-in: any answer shows that it is there, but for a failure.

    Raises:
        IdentityServerError: it cannot be asked, or fails.
    """
    try:
        await client.get_json(url)
    except IdentityServerError as error:
        if error.error != UNREADABLE:
            raise
