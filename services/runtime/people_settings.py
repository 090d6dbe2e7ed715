"""Settings of how users come and leave, which the company's identity provider decides, and of how their mailboxes are opened."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator

from schemas.addresses import InvalidAddressError, normal_address, normal_domain
from services.runtime.environment import require_http_url
from services.runtime.mail_settings import MailServerSettings, secure_url
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
    oidc_session_hours: float = setting(
        8.0,
        "how many hours a user stays signed in who signed in at your identity provider, if LEADMAIL_CONSOLE_SESSION_HOURS is not less:"
        " it is asked again after that, so that someone who has left there is out here, too",
        "8",
        gt=0,
        le=720,
    )
    console_mail_links: bool = setting(
        True, "`false` to mail no sign-in links: users sign in at your identity provider only", "false"
    )

    @field_validator("oidc_domains")
    @classmethod
    def _domains(cls, values: tuple[str, ...]) -> Any:
        return tuple(normal_domain(value) for value in values)


class AppOnlySettings(ProcessSettings):
    """The services that let Leadmail open the company's mailboxes without a sign-in of their owners."""

    google_service_account: SecretStr = setting(
        SecretStr(""),
        "the JSON key file of a service account with domain-wide delegation: with it, administrators connect mailboxes of"
        " Google Workspace without a sign-in of their owners (docs/oauth.md)",
        '{"type": "service_account", …}',
    )
    microsoft_app_client_id: str = setting(
        "",
        "the application id that has the permission IMAP.AccessAsApp: with it, administrators connect mailboxes of"
        " Microsoft 365 without a sign-in of their owners (docs/oauth.md)",
        "6731de76-14a6-49ae-97bc-6eba6914391e",
    )
    microsoft_app_client_secret: SecretStr = setting(SecretStr(""), "the client secret of that application", "8Q~…")
    microsoft_app_tenant: str = setting(
        "",
        "the tenant (id or domain) whose mailboxes that application opens",
        "contoso.onmicrosoft.com",
        pattern=r"^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)?$",
    )
    oauth_service_account: SecretStr = setting(
        SecretStr(""),
        "the JSON key file of a service account of your own sign-in service, as Google's, whose assertions (RFC 7523) give"
        " tokens for any mailbox",
        '{"client_email": "leadmail", …}',
    )


class SignInSettings(MailServerSettings, AppOnlySettings):
    """The services at which users can sign in to their mailboxes."""

    google_client_id: str = setting(
        "",
        "the client id of Leadmail at Google: with it, users sign in to Gmail and Google Workspace (docs/oauth.md)",
        "123-abc.apps.googleusercontent.com",
    )
    google_client_secret: SecretStr = setting(SecretStr(""), "the client secret of Leadmail at Google", "GOCSPX-…")
    microsoft_client_id: str = setting(
        "",
        "the application id of Leadmail at Microsoft: with it, users sign in to Outlook.com and Microsoft 365 (docs/oauth.md)",
        "6731de76-14a6-49ae-97bc-6eba6914391e",
    )
    microsoft_client_secret: SecretStr = setting(SecretStr(""), "the client secret of Leadmail at Microsoft", "8Q~…")
    microsoft_tenant: str = setting(
        "common",
        "whose users may sign in at Microsoft: your company's tenant (id or domain), `organizations`, `consumers` or `common`",
        "contoso.onmicrosoft.com",
        pattern=r"^[A-Za-z0-9.-]+$",
    )
    oauth_name: str = setting("your company", "how the operator's own sign-in service is called on pages", "Acme")
    oauth_issuer: str = setting(
        "",
        "the issuer of your own sign-in service, whose OpenID Connect configuration names its endpoints",
        "https://id.example.com/realms/acme",
    )
    oauth_authorization_url: str = setting(
        "", "the authorization endpoint of your own sign-in service, if its issuer does not publish it", ""
    )
    oauth_token_url: str = setting(
        "", "the token endpoint of your own sign-in service, if its issuer does not publish it", ""
    )
    oauth_device_url: str = setting(
        "", "the device authorization endpoint of your own sign-in service, if its issuer does not publish it", ""
    )
    oauth_revocation_url: str = setting(
        "", "the revocation endpoint of your own sign-in service, if its issuer does not publish it", ""
    )
    oauth_userinfo_url: str = setting(
        "", "the userinfo endpoint of your own sign-in service, if its issuer does not publish it", ""
    )
    oauth_client_id: str = setting("", "the client id of Leadmail at your own sign-in service", "leadmail")
    oauth_client_secret: SecretStr = setting(
        SecretStr(""), "the client secret of Leadmail at your own sign-in service; empty for a public client", "s3cret"
    )
    oauth_scopes: Names = setting(
        ("openid", "email", "offline_access"),
        "the scopes to ask your own sign-in service for, separated by commas",
        "openid,email,offline_access,imap",
    )
    oauth_imap: str = setting(
        "",
        "the mail server that takes the tokens of your own sign-in service, as `tls://` or `starttls://` with host and port",
        "tls://imap.example.com:993",
    )
    oauth_smtp: str = setting("", "the same for outgoing mail; empty if there is none", "tls://smtp.example.com:465")

    @field_validator(
        "oauth_issuer",
        "oauth_authorization_url",
        "oauth_token_url",
        "oauth_device_url",
        "oauth_revocation_url",
        "oauth_userinfo_url",
    )
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        return secure_url(value, info)

    @field_validator("oauth_imap", "oauth_smtp")
    @classmethod
    def _server(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in {"tls", "starttls", "none"} and parts.hostname and parts.port and not parts.path
        except ValueError:
            good = False
        if not good:
            raise ValueError("it has to be tls:// or starttls:// with host and port")
        return value
