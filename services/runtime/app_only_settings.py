"""What a process needs to open mailboxes in Leadmail's own name."""

from __future__ import annotations

from pydantic import SecretStr

from services.runtime.settings import ProcessSettings, setting


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
