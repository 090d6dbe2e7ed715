"""What a company's identity provider decides about users: they come, change, are locked out, and leave."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from schemas.accounts import User
from schemas.addresses import claimed_address, in_domain
from schemas.errors import LeadmailError
from schemas.sharing import covering_domain
from services.runtime.people_settings import DISCONNECT, PAUSE, OidcSettings
from services.store import AlreadyExistsError, NotAllowedError, NotFoundError, Store
from services.usecases import leaving
from services.usecases.connecting.token_revoker import TokenRevoker
from services.usecases.leaving import MailboxFate

SCIM, OIDC = "scim", "oidc"
"""Who changed something, in the audit log."""
_GOOGLE = {"https://accounts.google.com", "accounts.google.com"}
_MICROSOFT = (
    "https://login.microsoftonline.com/",
    "https://login.microsoftonline.us/",
    "https://login.partner.microsoftonline.cn/",
    "https://sts.windows.net/",
)
_MOST_GROUPS = 1_000
_LONGEST_SUBJECT = 255
"""OpenID Connect Core section 2."""
_NO_USER = "{} is not a user of Leadmail. Ask your administrator to add you."


class NotAdmittedError(LeadmailError):
    """Someone signed in at the identity provider who may not come in; the text is for them."""


class UserPatch(NamedTuple):
    """What the identity provider says of a user; None for what it does not mention."""

    name: str | None = None
    external_id: str | None = None
    active: bool | None = None


async def add(store: Store, email: str, patch: UserPatch) -> User:
    """Add a user.

    Raises:
        AlreadyExistsError: there is such a user.
    """
    user = await store.users.add(email, name=patch.name or "", external_id=patch.external_id or "", by=SCIM)
    return await change(store, user, patch)


async def change(store: Store, user: User, patch: UserPatch) -> User:
    """Change a user. One who is no longer active is locked out at once, and their mailboxes pause.

    Raises:
        NotFoundError: there is no such user.
        NotAllowedError: it is the last administrator.
    """
    if patch.active is not None:  # also if it is so already: an earlier request may have been cut short
        lifecycle = store.user_lifecycle
        user = await (lifecycle.enable if patch.active else lifecycle.disable)(user.email, by=SCIM)
    return await store.users.set_profile(user.email, name=patch.name, external_id=patch.external_id, by=SCIM)


async def remove(store: Store, email: str, then: str, *, revoker: TokenRevoker) -> None:
    """Let a user leave. Access ends first, whatever happens to the mailboxes: ``LEADMAIL_SCIM_DELETED`` decides that (``then``).

    Raises:
        NotFoundError: there is no such user.
        NotAllowedError: it is the last administrator; or no user can get the mailboxes, which stay paused.
    """
    user = await store.user_lifecycle.disable(email, by=SCIM)
    if then == PAUSE:
        return
    fate, heir = (MailboxFate.DISCONNECT, None) if then == DISCONNECT else (MailboxFate.TRANSFER, then)
    try:
        await leaving.remove(store, user.email, fate, heir=heir, by=SCIM, revoker=revoker)
    except NotFoundError:
        raise NotAllowedError("the user is locked out, but LEADMAIL_SCIM_DELETED names no active user") from None


async def admit(store: Store, claims: Mapping[str, Any], settings: OidcSettings) -> User:
    """Return the user whom verified claims of the identity provider are about; what it says of their rights is applied.

    Raises:
        NotAdmittedError: it is no user who may come in.
    """
    email, identity = _proven_address(claims, settings), _identity(claims)
    user = await store.identities.user_of(identity)
    if user is None:
        user = await _bound(store, email, identity, claims, settings)
    elif user.disabled:
        raise NotAdmittedError(_NO_USER.format(user.email))
    return await _with_rights(store, user, claims, settings)


async def unbind(store: Store, email: str, *, by: str) -> User:
    """Let a user's next sign-in count as their first one. The account that counted until now is out at once.

    Raises:
        NotFoundError: there is no such user.
    """
    user = await store.identities.unbind(email, by=by)
    await store.sign_ins.end_all(user.email)
    return user


def _proven_address(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    """Return the address that the identity provider vouches for."""
    email = claimed_address(str(claims.get("email") or ""))
    if email is None:
        raise NotAdmittedError("Your account has no email address. Ask your administrator to add it there.")
    if str(claims.get("email_verified", True)).lower() != "true":
        raise NotAdmittedError("The email address of your account is not verified. Verify it there, and try again.")
    # At Google anyone can have an account with an address that was theirs once. hd names the company that manages it, whose
    # main domain it is: the address may be in another of its domains, each of which it proved to be its own.
    if claims.get("iss") in _GOOGLE and not claims.get("hd"):
        raise NotAdmittedError("Your Google account is not one of your company. Choose your company's account.")
    if _is_guest(claims):
        raise NotAdmittedError("You are a guest at this company, and nobody verified the address of your account.")
    if settings.oidc_domains and not any(in_domain(email, domain) for domain in settings.oidc_domains):
        raise NotAdmittedError("Addresses of this domain cannot sign in here. Choose your company's account.")
    return email


def _identity(claims: Mapping[str, Any]) -> str:
    """Return issuer and subject of an account: addresses are given to other people, subjects are not."""
    issuer = str(claims.get("iss") or "")
    # Microsoft's sub is another one for each application, its oid is the account's.
    subject = str((claims.get("oid") if issuer.startswith(_MICROSOFT) else None) or claims.get("sub") or "")
    if not subject or len(subject) > _LONGEST_SUBJECT:
        raise NotAdmittedError("The identity provider does not say which account you have.")
    return f"{issuer} {subject}"


async def _bound(store: Store, email: str, identity: str, claims: Mapping[str, Any], settings: OidcSettings) -> User:
    """Return the user of an address, who signs in by this account from now on. An address that another account had is refused."""
    try:
        user = await store.users.active(email)
    except NotFoundError:
        user = await _created(store, email, claims, settings)
    # Another provider's accounts no longer count. An issuer, which is a URL, has no space; a subject may have some.
    if user.identity.partition(" ")[0] == identity.partition(" ")[0]:
        raise NotAdmittedError(
            f"{email} belonged to another account at your identity provider. Ask your administrator, who can let yours in."
        )
    return await store.identities.bind(user, identity, by=OIDC)


def _is_guest(claims: Mapping[str, Any]) -> bool:
    """Whether the account is in another tenant of Microsoft Entra, whose administrators can write any address into it.

    ``xms_edov``, if the application asks for it, says whether the owner of the address's domain verified it.
    """
    issuer, verified = str(claims.get("iss")), claims.get("xms_edov")
    if not issuer.startswith(_MICROSOFT):
        return False
    if verified is not None:
        return str(verified).lower() not in {"true", "1"}
    home, tenant = str(claims.get("idp") or issuer), str(claims.get("tid") or issuer)
    return str(claims.get("acct")) == "1" or (home != issuer and tenant not in home)


async def _created(store: Store, email: str, claims: Mapping[str, Any], settings: OidcSettings) -> User:
    """Add a user at their first sign-in, if the operator allows it and the company has confirmed the address's domain."""
    own = settings.oidc_create and covering_domain(email, (await store.company.policy()).internal_domains)
    if own:
        try:
            return await store.users.add(email, name=str(claims.get("name") or "")[:256], by=OIDC)
        except AlreadyExistsError:  # by another request, or it is a user who is disabled, or a shared mailbox
            with suppress(NotFoundError):
                user = await store.users.get(email)
                if not user.disabled:
                    return user
    raise NotAdmittedError(_NO_USER.format(email))


async def _with_rights(store: Store, user: User, claims: Mapping[str, Any], settings: OidcSettings) -> User:
    """Make a user an administrator, or none, as their groups say; the last one stays."""
    groups = _groups(claims, settings.oidc_groups_claim)
    if not settings.oidc_admin_group or groups is None:
        return user
    admin = settings.oidc_admin_group in groups
    if admin is user.admin or not (admin or await store.users.another_administrator(user.email)):
        return user
    return await store.users.set_admin(user.email, admin=admin, by=OIDC)


def _groups(claims: Mapping[str, Any], name: str) -> list[Any] | None:
    """Return a user's groups; None if there are too many to say. Some providers leave the claim out for who is in none.

    Entra says by other claims that it left the groups out because there are too many ("overage").
    """
    groups = claims.get(name)
    if groups is None:
        elsewhere = claims.get("_claim_names")
        return None if claims.get("hasgroups") or (isinstance(elsewhere, dict) and name in elsewhere) else []
    return groups if isinstance(groups, list) and len(groups) <= _MOST_GROUPS else None
