"""From servers and a password to a connected account: checks the policy, tries the login, saves the account."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import Account, AddressProof, ProofKind, ServerAddress
from schemas.addresses import normal_address_or_none
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.mailbox.connection import Code, ConnectPolicy, Credentials, OAuth2Credentials, SecretBox
from services.mailbox.oauth.token_refresh import TokenRefresher, refresh_time
from services.mailbox.providers import Provider, clean_credentials, directory
from services.store import OPERATOR, NotAllowedError, Store, new_account_id, now
from services.usecases.servers import is_declared

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult
    from services.usecases.mailbox_sign_in import TokenRevoker


class NewAccount(NamedTuple):
    """An account to save: its login works."""

    owner: str
    address: str
    aliases: tuple[str, ...]
    provider: Provider | None
    incoming: ServerAddress
    outgoing: ServerAddress | None
    credentials: Credentials
    policy: SharingPolicy


def check_allowed(mode: Mode, company: CompanyPolicy) -> None:
    """Refuse a mode that the company does not allow.

    Raises:
        NotAllowedError: the company does not allow it; the text says which modes it allows.
    """
    if mode not in company.allowed_modes:
        allowed = " or ".join(one.value for one in company.allowed_modes)
        raise NotAllowedError(f"your company does not allow {mode.value}: choose {allowed}")


def provider_of(account: Account) -> Provider | None:
    """Return the mail service of an account if the directory knows it."""
    return directory().by_key.get(account.provider or "")


async def check_login(
    incoming: ServerAddress,
    outgoing: ServerAddress | None,
    credentials: Credentials,
    policy: ConnectPolicy,
    provider: Provider | None,
) -> CheckResult:
    """Check the login at both servers. This fetches, changes and sends nothing."""
    # Imported here because most account commands do not need the clients of both protocols, which are slow to load.
    from services.mailbox.check import check_account  # noqa: PLC0415

    return await check_account(incoming, outgoing, credentials, policy=policy, provider=provider)


async def try_account(account: Account, credentials: Credentials, policy: ConnectPolicy) -> CheckResult:
    """Try a login at the servers of an existing account."""
    return await check_login(account.incoming, account.outgoing, credentials, policy, provider_of(account))


async def try_saved(account: Account, tokens: TokenRefresher, policy: ConnectPolicy) -> CheckResult:
    """Try the saved login of an account. A refused token is refreshed once.

    Raises:
        MailServerError: its tokens cannot be refreshed.
        SealError: the credentials cannot be decrypted.
    """
    account, credentials = await tokens.open(account)
    result = await try_account(account, credentials, policy)
    refused = result.incoming is not None and result.incoming.code is Code.OAUTH2_EXPIRED
    if refused and isinstance(credentials, OAuth2Credentials):
        account, credentials = await tokens.open(account, refused=credentials.access_token)
        result = await try_account(account, credentials, policy)
    return result


async def save_password(
    account: Account, credentials: Credentials, *, store: Store, box: SecretBox, revoker: TokenRevoker, by: str
) -> None:
    """Save a password that works. A blocked account becomes active again; tokens that it had are revoked."""
    sealed = box.seal(account.id, clean_credentials(credentials, provider_of(account)))
    tokens = revoker.tokens([await store.accounts.get(account.id)])
    await store.accounts.save_credentials(account.id, sealed, by=by)
    await revoker.revoke(tokens)


class Login(NamedTuple):
    """How a mailbox is reached."""

    incoming: ServerAddress
    outgoing: ServerAddress | None
    credentials: Credentials | None
    """None for those that are saved."""


async def change_login(
    account: Account,
    changed: Login,
    *,
    store: Store,
    box: SecretBox,
    tokens: TokenRefresher,
    revoker: TokenRevoker,
    policy: ConnectPolicy,
    by: str,
) -> CheckResult:
    """Try another login for the same mailbox, and save it if it works: servers, login name, password.

    Everything else of the account stays; a blocked account becomes active again. Tokens that a password replaces are revoked.

    Raises:
        NotAllowedError: the saved password would be sent to a server that it was not saved for. Only the operator, who has
            the key, may do that.
    """
    incoming, outgoing, credentials = changed
    if credentials is None:
        if by != OPERATOR and not _endpoints(incoming, outgoing) <= _endpoints(account.incoming, account.outgoing):
            raise NotAllowedError("enter the password, too: the saved one is sent only to the servers it was saved for")
        account, credentials = await tokens.open(account)
    same = incoming.host == account.incoming.host
    provider = provider_of(account) if same else directory().for_server(incoming.host)
    credentials = clean_credentials(credentials, provider)
    result = await check_login(incoming, outgoing, credentials, policy, provider)
    if result.ok:
        # Saved tokens stay as they are: a poller may have refreshed them meanwhile, and the service takes no older ones.
        kept = changed.credentials is None and isinstance(credentials, OAuth2Credentials)
        login = Login(incoming, outgoing, None if kept else credentials)
        # After a new sign-in, none are revoked: a service may end that, too.
        replaced = [] if isinstance(credentials, OAuth2Credentials) else [await store.accounts.get(account.id)]
        ending = revoker.tokens(replaced)
        await save_login(account, login, provider, store=store, box=box, by=by)
        await revoker.revoke(ending)
    return result


async def save_login(
    account: Account, login: Login, provider: Provider | None, *, store: Store, box: SecretBox, by: str
) -> None:
    """Save servers and credentials that work. Tokens are taken for a new sign-in. A blocked account becomes active again."""
    grant, refresh_at = _grant(login.credentials)
    await store.accounts.save_credentials(
        account.id,
        box.seal(account.id, login.credentials) if login.credentials is not None else None,
        by=by,
        incoming=login.incoming,
        outgoing=login.outgoing,
        provider=provider.key if provider else None,
        grant=grant,
        refresh_at=refresh_at,
    )


def _grant(credentials: Credentials | None) -> tuple[str, datetime | None]:
    """Return a name for a sign-in, and when its tokens have to be refreshed; nothing for a password."""
    if not isinstance(credentials, OAuth2Credentials):
        return "", None
    return secrets.token_hex(8), refresh_time(credentials.expires_at, now())


def _service(credentials: Credentials) -> str | None:
    """Return the key of the service at which the owner signed in; None for a password."""
    return credentials.provider if isinstance(credentials, OAuth2Credentials) else None


def _endpoints(incoming: ServerAddress, outgoing: ServerAddress | None) -> set[tuple[str, str, int, str]]:
    servers = {"imap": incoming, "smtp": outgoing}
    return {(name, one.host.lower(), one.port, one.tls) for name, one in servers.items() if one is not None}


async def is_taken(address: str, owner: str, store: Store) -> bool:
    """Whether a mailbox is connected under an address in such a way that no login of this user can change that."""
    holder = await store.accounts.connected(address)
    if holder is None:
        return False
    if await store.address_proofs.is_another_users(address, owner):
        return True
    return not _yields(holder, address, owner, ProofKind.SIGN_IN)


def _yields(holder: Account, address: str, owner: str, how: ProofKind) -> bool:
    """Whether another user's mailbox that is connected under an address has to leave it to a user who proves it so."""
    held = holder.proof_of(address)
    return holder.owner != owner and (held is None or how.outranks(held))


async def save(
    new: NewAccount, *, store: Store, box: SecretBox, revoker: TokenRevoker, policy: ConnectPolicy, by: str
) -> Account:
    """Save an account. One that its owner had disconnected is connected again and keeps its id.

    A login that proves the address takes it from another user's mailbox that is connected under it with less: that mailbox is
    disconnected, so that its mail stays as it is shared. Its tokens are revoked, but not after a sign-in at the same service,
    which might end with them.

    Raises:
        AlreadyExistsError: the address is connected already.
    """
    former = await store.former_accounts.find(new.owner, new.address)
    identifier = former.id if former else new_account_id()
    grant, refresh_at = _grant(new.credentials)
    account = Account(
        id=identifier,
        owner=new.owner,
        address=new.address,
        aliases=new.aliases,
        proofs=await _signed_in(new, policy),
        provider=new.provider.key if new.provider else None,
        incoming=new.incoming,
        outgoing=new.outgoing,
        credentials=box.seal(identifier, clean_credentials(new.credentials, new.provider)),
        grant=grant,
        refresh_at=refresh_at,
        sharing=new.policy,
        created_at=now(),
    )
    displaced = await _displaced(account, store)
    ending = revoker.tokens(displaced, but=_service(new.credentials))
    for holder in displaced:
        await store.removal.disconnect(holder.id, by=by, displaced_from=account.address)
    try:
        await store.accounts.add(account, by=by)
    finally:
        await revoker.revoke(ending)
    return await store.accounts.get(account.id)


async def _signed_in(new: NewAccount, policy: ConnectPolicy) -> tuple[AddressProof, ...]:
    """Return the proof that the login gives.

    The mail service named the address itself; or the login's name is the address, at a server that its domain declares.
    The address that names the owner in the CRM needs none.
    """
    if isinstance(new.credentials, OAuth2Credentials):
        proof = AddressProof(address=new.address, how=ProofKind.OAUTH, by=new.owner, at=now())
        return () if new.address == new.owner else (proof,)
    named = normal_address_or_none(new.incoming.username) == new.address != new.owner
    if not named or new.incoming.tls == "none" or not await is_declared(new.address, new.incoming, policy=policy):
        return ()
    return (AddressProof(address=new.address, how=ProofKind.SIGN_IN, by=new.owner, at=now()),)


async def _displaced(account: Account, store: Store) -> list[Account]:
    """Return another user's mailbox whose claim to the address is weaker than the new account's, or none."""
    holder, how = await store.accounts.connected(account.address), account.proof_of(account.address)
    if holder is None or how is None or await store.address_proofs.is_another_users(account.address, account.owner):
        return []
    return [holder] if _yields(holder, account.address, account.owner, how) else []
