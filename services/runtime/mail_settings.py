"""More parts that a process's settings are made of: keys, mail servers, Leadmail's own mail and the links in it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretBytes, SecretStr, ValidationInfo, field_validator, model_validator

from services.runtime.environment import decode_key, read_origin, require_http_url, split_list
from services.runtime.settings import Names, ProcessSettings, setting

IpNetwork = IPv4Network | IPv6Network
Networks = Annotated[tuple[IpNetwork, ...], BeforeValidator(lambda value: split_list(value, ","))]


def secure_url(value: str, info: ValidationInfo) -> str:
    """Return a URL to which tokens travel.

    Raises:
        ValueError: it is none, or has no TLS.
    """
    require_http_url(value)
    if value.startswith("http://") and not info.data.get("allow_plaintext"):
        raise ValueError("tokens travel over https:// only")
    return value


class SecretSettings(ProcessSettings):
    """The deployment's keys."""

    secret_key: SecretBytes = setting(
        SecretBytes(b""),
        "32 random bytes in base64 or hex (`openssl rand -base64 32`): they encrypt mailbox passwords and key the hashes in the ledger; "
        "further lines hold earlier values, as in LEADMAIL_SECRET_KEYS_OLD",
        "uZ0pV…(44 characters)",
    )
    secret_keys_old: tuple[SecretBytes, ...] = setting(
        (),
        "earlier values of LEADMAIL_SECRET_KEY, separated by commas, the oldest last; `leadmail secrets status` says which may be removed",
        "",
    )

    @model_validator(mode="before")
    @classmethod
    def _lines(cls, values: Any) -> Any:
        """Take earlier keys from further lines of the current one: a new key needs no other file than the one that is there."""
        if not isinstance(values, dict) or not isinstance(values.get("secret_key"), str):
            return values
        key, *old = values["secret_key"].split() or [""]
        if not old:
            return values
        return {**values, "secret_key": key, "secret_keys_old": ",".join([*old, values.get("secret_keys_old") or ""])}

    @field_validator("secret_key", mode="before")
    @classmethod
    def _key(cls, value: Any) -> Any:
        return decode_key(value) if isinstance(value, str) else value

    @field_validator("secret_keys_old", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        return tuple(decode_key(text) for text in split_list(value, ",")) if isinstance(value, str) else value


class MailServerSettings(ProcessSettings):
    """Which mail servers may be connected to."""

    allow_networks: Networks = setting(
        (),
        "non-public networks (CIDR, separated by commas) in which mail servers are allowed",
        "10.20.0.0/16,127.0.0.0/8",
    )
    allow_plaintext: bool = setting(
        False, "`true` to allow mail servers without TLS: for tests and the demo only", "false"
    )


class RelaySettings(MailServerSettings):
    """The server that sends Leadmail's own mail."""

    smtp_url: SecretStr = setting(
        SecretStr(""),
        "the server that sends Leadmail's own mail: `smtps://` for implicit TLS, `smtp://` for STARTTLS",
        "smtp://leadmail:secret@mail.example.com:587",
    )
    smtp_oauth_client_id: str = setting(
        "",
        "the client id with which Leadmail gets a token for the server in LEADMAIL_SMTP_URL, instead of a password (docs/oauth.md)",
        "6731de76-14a6-49ae-97bc-6eba6914391e",
    )
    smtp_oauth_client_secret: SecretStr = setting(SecretStr(""), "the client secret for that token", "8Q~…")
    smtp_oauth_token_url: str = setting(
        "",
        "the token endpoint that gives that token",
        "https://login.microsoftonline.com/TENANT-ID/oauth2/v2.0/token",
    )
    smtp_oauth_scopes: Names = setting(
        (), "the scopes of that token, separated by commas", "https://outlook.office365.com/.default"
    )
    smtp_oauth_refresh_token: SecretStr = setting(
        SecretStr(""),
        "a refresh token of the mailbox that sends, for services that give an application no token of its own; if it changes with"
        " each use, the database keeps the present one",
        "1//0g…",
    )

    @field_validator("smtp_oauth_token_url")
    @classmethod
    def _token_url(cls, value: str, info: ValidationInfo) -> str:
        return secure_url(value, info)


class SenderSettings(RelaySettings):
    """The server that sends Leadmail's own mail, and its sender."""

    mail_from: str = setting("", "the sender of Leadmail's own mail", "Leadmail <leadmail@example.com>")


class ConsoleUrlSettings(MailServerSettings):
    """Where the console is, for links."""

    console_url: str = setting(
        "",
        "the URL at which users reach the console, without a path; `http://` only with LEADMAIL_ALLOW_PLAINTEXT",
        "https://leadmail.example.com",
    )

    @field_validator("console_url")
    @classmethod
    def _origin(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("http://") and not info.data.get("allow_plaintext"):
            raise ValueError("without TLS anyone on the network path could read mail")
        return read_origin(value)
