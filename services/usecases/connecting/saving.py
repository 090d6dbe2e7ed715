"""Saving: a new account, a password, another login for the same mailbox."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import APP_ONLY, Account, AddressProof, ProofKind, ServerAddress
from schemas.addresses import normal_address_or_none
from schemas.identity import is_team, team_of
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.mailbox.connection import ConnectPolicy, Credentials, OAuth2Credentials, SecretBox
from services.mailbox.oauth.token_refresh import TokenRefresher, refresh_time
from services.mailbox.providers import Provider, clean_credentials, directory
from services.store import OPERATOR, AlreadyExistsError, NotAllowedError, Store, new_account_id, now
from services.usecases.connecting.displacing import displaced, refuse_personal
from services.usecases.connecting.login import Login, check_login, provider_of
from services.usecases.connecting.login_names import refuse_others_name, refuse_token_elsewhere
from services.usecases.connecting.servers import is_declared
from services.usecases.connecting.token_revoker import TokenRevoker

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult


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
    members: tuple[str, ...] = ()
    """The users of a shared mailbox. Then it has no ``owner``."""
    signed_in: bool = True
    """Whether tokens are of a sign-in to this mailbox, which proves its address, and not of a member's."""


def check_allowed(mode: Mode, company: CompanyPolicy) -> None:
    """Refuse a mode that the company does not allow.

    Raises:
        NotAllowedError: the company does not allow it; the text says which modes it allows.
    """
    if mode not in company.allowed_modes:
        allowed = " or ".join(one.value for one in company.allowed_modes)
        raise NotAllowedError(f"your company does not allow {mode.value}: choose {allowed}")


@dataclass(frozen=True, slots=True)
class AccountSaver:
    """Saves logins that work, in the name of a user or the operator (``by``). Tokens that are replaced are revoked."""

    store: Store
    box: SecretBox
    revoker: TokenRevoker
    policy: ConnectPolicy
    by: str

    async def save(self, new: NewAccount) -> Account:
        """Save a new account. One that its owner had disconnected is connected again and keeps its id.

        A login that proves the address takes it from another user's mailbox that is connected under it with less: that mailbox
        is disconnected, so that its mail stays as it is shared. Its tokens are revoked, but not after a sign-in at the same
        service, which might end with them.

        Raises:
            AlreadyExistsError: the address is connected already.
            NotFoundError: the owner, or a member, is no active user any more.
            NotAllowedError: the login name is that of another user's mailbox.
        """
        login = Login(new.incoming, new.outgoing, new.credentials)
        refuse_token_elsewhere(login, new.provider, new.address)
        if new.members:
            await refuse_personal(new.address, self.store)
        formers = self.store.former_accounts
        former = await (
            formers.find_shared(new.members, new.address) if new.members else formers.find(new.owner, new.address)
        )
        identifier = former.id if former else new_account_id()
        owner = team_of(identifier) if new.members else new.owner
        await refuse_others_name(login, new.provider, new.address, owner, self.store)
        grant, refresh_at = _grant(new.credentials)
        account = Account(
            id=identifier,
            owner=owner,
            members=tuple(sorted(set(new.members))),
            address=new.address,
            aliases=new.aliases,
            proofs=await _signed_in(new.address, owner, login, self.policy, by=self.by, here=new.signed_in),
            provider=new.provider.key if new.provider else None,
            incoming=new.incoming,
            outgoing=new.outgoing,
            credentials=self.box.seal(identifier, clean_credentials(new.credentials, new.provider)),
            grant=grant,
            refresh_at=refresh_at,
            sharing=new.policy,
            created_at=now(),
        )
        holders = await displaced(account, self.store)
        ending = self.revoker.tokens(holders, but=_service(new.credentials))
        for holder in holders:
            await self.store.removal.disconnect(holder.id, by=self.by, displaced_from=account.address)
        try:
            await self.store.accounts.add(account, by=self.by, of_user=True)
        finally:
            await self.revoker.revoke(ending)
        return await self.store.accounts.get(account.id)

    async def save_password(self, account: Account, credentials: Credentials) -> None:
        """Save a password that works. A blocked account becomes active again; tokens that it had are revoked."""
        sealed = self.box.seal(account.id, clean_credentials(credentials, provider_of(account)))
        tokens = self.revoker.tokens([await self.store.accounts.get(account.id)])
        await self.store.accounts.save_credentials(account.id, sealed, by=self.by)
        await self.revoker.revoke(tokens)

    async def change_login(self, account: Account, changed: Login, tokens: TokenRefresher) -> CheckResult:
        """Try another login for the same mailbox, and save it if it works: servers, login name, password.

        Everything else of the account stays; a blocked account becomes active again. Tokens that a password replaces are revoked.
        Another login name or host proves the address again, or the proof becomes weaker (``AddressProofs.login_changes``).

        Raises:
            NotAllowedError: the login name is that of another user's mailbox, or, with tokens, of any other mailbox.
            NotAllowedError: the saved password would be sent to a server that it was not saved for. Only the operator, who has
                the key, may do that.
        """
        incoming, outgoing, credentials = changed
        if credentials is None:
            if self.by != OPERATOR and not _endpoints(incoming, outgoing) <= _endpoints(
                account.incoming, account.outgoing
            ):
                raise NotAllowedError(
                    "enter the password, too: the saved one is sent only to the servers it was saved for"
                )
            account, credentials = await tokens.open(account)
        same = incoming.host == account.incoming.host
        provider = provider_of(account) if same else directory().for_server(incoming.host)
        credentials = clean_credentials(credentials, provider)
        tried = Login(incoming, outgoing, credentials)
        refuse_token_elsewhere(tried, provider, account.address)
        result = await check_login(incoming, outgoing, credentials, self.policy, provider)
        if result.ok:
            await refuse_others_name(tried, provider, account.address, account.owner, self.store)
            # Saved tokens stay as they are: a poller may have refreshed them meanwhile, and the service takes no older ones.
            kept = changed.credentials is None and isinstance(credentials, OAuth2Credentials)
            login = Login(incoming, outgoing, None if kept else credentials)
            # After a new sign-in, none are revoked: a service may end that, too.
            replaced = [] if isinstance(credentials, OAuth2Credentials) else [await self.store.accounts.get(account.id)]
            ending = self.revoker.tokens(replaced)
            await self.save_login(account, login, provider)
            if _login_name(incoming) != _login_name(account.incoming):
                for proof in await _signed_in(
                    account.address, account.owner, tried, self.policy, by=self.by, here=False
                ):
                    with suppress(AlreadyExistsError):
                        await self.store.address_proofs.prove(account.id, proof.address, proof.how, by=self.by)
            await self.revoker.revoke(ending)
        return result

    async def save_login(self, account: Account, login: Login, provider: Provider | None) -> None:
        """Save servers and credentials that work. Tokens are taken for a new sign-in. A blocked account becomes active again."""
        grant, refresh_at = _grant(login.credentials)
        await self.store.accounts.save_credentials(
            account.id,
            self.box.seal(account.id, login.credentials) if login.credentials is not None else None,
            by=self.by,
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
    name = ("" if credentials.mailbox is None else APP_ONLY) + secrets.token_hex(8)
    return name, refresh_time(credentials.expires_at, now())


def _service(credentials: Credentials) -> str | None:
    """Return the key of the service at which the owner signed in; None for a password."""
    return credentials.provider if isinstance(credentials, OAuth2Credentials) else None


def _endpoints(incoming: ServerAddress, outgoing: ServerAddress | None) -> set[tuple[str, str, int, str]]:
    servers = {"imap": incoming, "smtp": outgoing}
    return {(name, one.host.lower(), one.port, one.tls) for name, one in servers.items() if one is not None}


def _login_name(server: ServerAddress) -> tuple[str, str]:
    return server.host, server.username


async def _signed_in(
    address: str, owner: str, login: Login, policy: ConnectPolicy, *, by: str, here: bool
) -> tuple[AddressProof, ...]:
    """Return the proof that the login gives.

    The mail service named the address itself, where the sign-in was to this mailbox (``here``); or the login's name is the
    address, at a server that its domain declares. The address that names the owner in the CRM needs none.
    """
    who = by if is_team(owner) else owner
    if here and isinstance(login.credentials, OAuth2Credentials) and login.credentials.mailbox is None:
        proof = AddressProof(address=address, how=ProofKind.OAUTH, by=who, at=now())
        return () if address == owner else (proof,)
    named = normal_address_or_none(login.incoming.username) == address != owner
    if not named or login.incoming.tls == "none" or not await is_declared(address, login.incoming, policy=policy):
        return ()
    return (AddressProof(address=address, how=ProofKind.SIGN_IN, by=who, at=now()),)
