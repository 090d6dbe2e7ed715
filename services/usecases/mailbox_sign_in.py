"""Mailboxes whose owners sign in at the mail service: who signed in, the check of the login, saving, and revoking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import structlog
from pydantic import SecretStr

from schemas.accounts import Account, AccountState, ProofKind
from schemas.sharing import SharingPolicy
from services.mailbox import advice
from services.mailbox.connection import ConnectPolicy, OAuth2Credentials, SealError, SecretBox
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.sign_in_services import MailServers, SignInService, SignInServices
from services.store import NotAllowedError, Store
from services.usecases import connecting
from services.usecases.connecting import Login, NewAccount

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult
    from services.mailbox.oauth.answers import Tokens

log = structlog.get_logger(__name__)


class SignedIn(NamedTuple):
    """A mailbox whose owner has signed in, which is not saved yet."""

    service: SignInService
    address: str
    """As the service names it."""
    servers: MailServers
    credentials: OAuth2Credentials


async def identify(tokens: Tokens, key: str, services: SignInServices, *, nonce: str | None) -> SignedIn:
    """Return the mailbox of the user who signed in, by the service's own word.

    Raises:
        IdentityServerError: the service does not say who it was, or what it says is not valid.
    """
    # Imported here because few commands sign in, and the libraries are slow to load.
    from services.mailbox.oauth.id_tokens import claims_of  # noqa: PLC0415

    service, client = services.by_key[key], services.client(key)
    address = service.address(await claims_of(client, tokens, nonce=nonce))
    credentials = OAuth2Credentials(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=tokens.expires_at,
        client_id=service.app.client_id,
        provider=key,
    )
    return SignedIn(service, address, service.mailbox(address), credentials)


async def check(found: SignedIn, policy: ConnectPolicy) -> CheckResult:
    """Check the login with the new tokens at both servers."""
    incoming, outgoing = found.servers.incoming, found.servers.outgoing
    return await connecting.check_login(incoming, outgoing, found.credentials, policy, found.servers.provider)


async def save_new(
    found: SignedIn,
    owner: str,
    sharing: SharingPolicy,
    *,
    aliases: tuple[str, ...] = (),
    store: Store,
    box: SecretBox,
    revoker: TokenRevoker,
    policy: ConnectPolicy,
    by: str,
) -> Account:
    """Save a new mailbox. The sign-in proves its address, and none of the aliases that its owner claims.

    Raises:
        AlreadyExistsError: the address is connected already.
    """
    servers = found.servers
    new = NewAccount(
        owner, found.address, aliases, servers.provider, servers.incoming, servers.outgoing, found.credentials, sharing
    )
    return await connecting.save(new, store=store, box=box, revoker=revoker, policy=policy, by=by)


async def save_again(account: Account, found: SignedIn, *, store: Store, box: SecretBox, by: str) -> Account:
    """Save the tokens of a new sign-in for a mailbox that is connected. A blocked mailbox becomes active again.

    Raises:
        NotAllowedError: it was another mailbox's sign-in.
    """
    if found.address != account.address:
        raise NotAllowedError(
            f"you signed in as {found.address}, but this mailbox is {account.address}: sign in to that, or connect the other"
        )
    await connecting.save_login(
        account,
        Login(found.servers.incoming, found.servers.outgoing, found.credentials),
        found.servers.provider,
        store=store,
        box=box,
        by=by,
    )
    if account.address != account.owner:
        await store.address_proofs.prove(account.id, account.address, ProofKind.OAUTH, by=by)
    return await store.accounts.get(account.id)


def sentence(error: IdentityServerError, service: SignInService) -> str:
    """Return what an identity server's refusal means, and what to do."""
    return advice.sentence(as_mail_error(error), service.mailbox("").incoming, "imap", None, service=service.name)


def service_key(account: Account, box: SecretBox) -> str | None:
    """Return the key of the service that an account's tokens are from; None if it has a password.

    Raises:
        SealError: the credentials cannot be decrypted.
    """
    credentials = box.open(account.id, account.credentials)
    return credentials.provider if isinstance(credentials, OAuth2Credentials) else None


@dataclass(frozen=True, slots=True)
class TokenRevoker:
    """Revokes tokens that no mailbox uses any more: what opens the tokens, and the services that gave them."""

    box: SecretBox
    services: SignInServices

    def tokens(self, accounts: Iterable[Account], *, but: str | None = None) -> list[tuple[str, SecretStr]]:
        """Return the services and refresh tokens of accounts that are about to lose them, to revoke afterwards.

        Those of the service ``but`` are left out.
        """
        found = []
        for account in accounts:
            if not account.grant or account.state is AccountState.DISCONNECTED:
                continue
            try:
                credentials = self.box.open(account.id, account.credentials)
            except SealError:
                continue
            if isinstance(credentials, OAuth2Credentials) and credentials.provider and credentials.provider != but:
                found.append((credentials.provider, credentials.refresh_token or credentials.access_token))
        return found

    async def revoke(self, tokens: Iterable[tuple[str, SecretStr]]) -> None:
        """Revoke tokens at their services. One that does not answer is logged: we keep no token to try again with."""
        for key, token in tokens:
            if key not in self.services.by_key:
                continue
            try:
                await self.services.client(key).revoke(token)
            except IdentityServerError as error:
                log.warning("tokens that no mailbox uses are not revoked", service=key, error=str(error))
