"""Mailboxes whose owners sign in at the mail service: who signed in, the check of the login, and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import Account, ProofKind
from schemas.sharing import SharingPolicy
from services.mailbox import advice
from services.mailbox.connection import ConnectPolicy, OAuth2Credentials, SecretBox
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.sign_in_services import MailServers, SignInService, SignInServices
from services.store import NotAllowedError
from services.usecases.connecting.login import Login, check_login
from services.usecases.connecting.saving import AccountSaver, NewAccount

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult
    from services.mailbox.oauth.answers import Tokens


class SignedIn(NamedTuple):
    """A mailbox whose owner has signed in, which is not saved yet."""

    service: SignInService
    address: str
    """As the service names it; as an administrator names it, if Leadmail opens the mailbox in its own name."""
    servers: MailServers
    credentials: OAuth2Credentials
    by: str
    """The address of whoever signed in; the mailbox's own, if Leadmail opens it in its own name."""

    def shared(self, address: str) -> SignedIn:
        """Return a shared mailbox that whoever signed in may open."""
        return self._replace(address=address, servers=self.service.mailbox(address))


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
    return SignedIn(service, address, service.mailbox(address), credentials, address)


async def in_our_name(address: str, key: str, services: SignInServices) -> SignedIn:
    """Return the mailbox of an address with tokens that Leadmail got in its own name.

    Raises:
        IdentityServerError: the service refuses, or cannot be asked.
    """
    # Imported here for the same reason as above.
    from services.mailbox.oauth.own_tokens import own_tokens  # noqa: PLC0415

    service, client = services.app_only[key], services.client(key, app_only=True)
    tokens = await own_tokens(client, address)
    credentials = OAuth2Credentials(
        access_token=tokens.access_token,
        expires_at=tokens.expires_at,
        client_id=service.app.client_id,
        provider=key,
        mailbox=address,
    )
    return SignedIn(service, address, service.mailbox(address), credentials, address)


async def check(found: SignedIn, policy: ConnectPolicy) -> CheckResult:
    """Check the login with the new tokens at both servers."""
    incoming, outgoing = found.servers.incoming, found.servers.outgoing
    return await check_login(incoming, outgoing, found.credentials, policy, found.servers.provider)


def new_account(
    found: SignedIn,
    owner: str,
    sharing: SharingPolicy,
    *,
    aliases: tuple[str, ...] = (),
    members: tuple[str, ...] = (),
) -> NewAccount:
    """Return the account to save. The sign-in proves its address, and none of the aliases that its owner claims."""
    servers = found.servers
    return NewAccount(
        owner=owner,
        address=found.address,
        aliases=aliases,
        provider=servers.provider,
        incoming=servers.incoming,
        outgoing=servers.outgoing,
        credentials=found.credentials,
        policy=sharing,
        members=members,
        signed_in=found.by == found.address,
    )


async def save_again(account: Account, found: SignedIn, saver: AccountSaver) -> Account:
    """Save the tokens of a new sign-in for a mailbox that is connected. A blocked mailbox becomes active again.

    Raises:
        NotAllowedError: it was another mailbox's sign-in.
    """
    if found.address != account.address:
        raise NotAllowedError(
            f"you signed in as {found.address}, but this mailbox is {account.address}: sign in to that, or connect the other"
        )
    servers, store = found.servers, saver.store
    login = Login(servers.incoming, servers.outgoing, found.credentials)
    await saver.save_login(account, login, servers.provider)
    if found.by == account.address != account.owner:
        await store.address_proofs.prove(account.id, account.address, ProofKind.OAUTH, by=saver.by)
    return await store.accounts.get(account.id)


def sentence(error: IdentityServerError, service: SignInService, *, app_only: str | None = None) -> str:
    """Return what an identity server's refusal means, and what to do. ``app_only`` is the mailbox that Leadmail wanted to open."""
    server, refused = service.mailbox(app_only or "").incoming, as_mail_error(error, app_only=app_only is not None)
    return advice.sentence(refused, server, "imap", None, service=service.name)


def service_key(account: Account, box: SecretBox) -> str | None:
    """Return the key of the service that an account's tokens are from; None if it has a password.

    Raises:
        SealError: the credentials cannot be decrypted.
    """
    credentials = box.open(account.id, account.credentials)
    return credentials.provider if isinstance(credentials, OAuth2Credentials) else None
