"""Settings of how users come and leave: what the company's identity provider decides."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr, ValidationInfo, field_validator

from schemas.addresses import InvalidAddressError, normal_address, normal_domain
from services.runtime.environment import require_http_url
from services.runtime.mail_settings import MailServerSettings
from services.runtime.settings import Names, ProcessSettings, setting

PAUSE, DISCONNECT = "pause", "disconnect"


class ScimSettings(ProcessSettings):
    """Users and groups that an identity provider manages (SCIM)."""

    scim_admin_group: str = setting(
        "",
        "the name of the identity provider's group whose members are administrators; without it, groups give no rights",
        "Leadmail administrators",
    )
    scim_deleted: str = setting(
        PAUSE,
        "what happens to a user whom the identity provider deletes: `pause` locks them out and pauses their mailboxes; `disconnect` removes"
        " them, and their mail stays on the records; the address of another user removes them and gives that user the mailboxes",
        "disconnect",
    )

    @field_validator("scim_deleted")
    @classmethod
    def _fate(cls, value: str) -> str:
        if value in (PAUSE, DISCONNECT):
            return value
        try:
            return normal_address(value)
        except InvalidAddressError:
            raise ValueError("it is neither a word that is known nor an address") from None


class OidcIssuerSettings(MailServerSettings):
    """Which identity provider the company has (OpenID Connect)."""

    oidc_issuer: str = setting(
        "",
        "the issuer of your identity provider, which publishes its configuration: users sign in to the console there",
        "https://login.microsoftonline.com/TENANT-ID/v2.0",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str, info: ValidationInfo) -> str:
        require_http_url(value)
        if value.startswith("http://") and not info.data.get("allow_plaintext"):
            raise ValueError("tokens travel over https:// only")
        return value


class OidcSettings(OidcIssuerSettings):
    """Signing in to the console by the company's identity provider."""

    oidc_name: str = setting("your company account", "what users sign in with, for the button", "Example Inc.")
    oidc_client_id: str = setting(
        "", "the client id of Leadmail's console at your identity provider", "leadmail-console"
    )
    oidc_client_secret: SecretStr = setting(
        SecretStr(""), "the client secret of Leadmail's console; empty for a public client", "s3cret"
    )
    oidc_domains: Names = setting(
        (), "the domains (separated by commas) whose addresses may sign in; without it, every user's", "example.com"
    )
    oidc_admin_group: str = setting(
        "",
        "the group (its name or id, as the identity provider sends it) whose members are administrators, from their next sign-in on;"
        " without it, groups give and take no rights",
        "leadmail-administrators",
    )
    oidc_groups_claim: str = setting("groups", "the claim that lists a user's groups", "groups", min_length=1)
    oidc_create: bool = setting(
        False,
        "`true` to add users at their first sign-in if their address is in one of the company's own domains",
        "true",
    )
    console_mail_links: bool = setting(
        True, "`false` to mail no sign-in links: users sign in at your identity provider only", "false"
    )

    @field_validator("oidc_domains")
    @classmethod
    def _domains(cls, values: tuple[str, ...]) -> Any:
        return tuple(normal_domain(value) for value in values)
