"""Every setting of Leadmail: environment variables ``LEADMAIL_<NAME>``, each also as ``LEADMAIL_<NAME>_FILE``.

The table in ``docs/configuration.md`` is made from this class by ``tools.configuration``.
"""

from __future__ import annotations

import secrets
import socket
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import Field, SecretBytes, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from services.runtime.environment import (
    PREFIX,
    EnvironmentSource,
    SettingsError,
    decode_key,
    missing,
    read_origin,
    require_http_url,
    split_list,
    wrong,
)

Network = IPv4Network | IPv6Network
Names = Annotated[tuple[str, ...], NoDecode]
Stage = Literal["poller", "parser", "matcher", "notifier", "cli", "console"]

REQUIRED: dict[Stage, tuple[str, ...]] = {
    "poller": ("rabbitmq_url", "mongo_url", "secret_key"),
    "parser": ("rabbitmq_url", "mongo_url"),
    "matcher": ("rabbitmq_url", "mongo_url", "secret_key"),
    "notifier": ("rabbitmq_url", "mongo_url", "smtp_url", "mail_from"),
    "cli": ("mongo_url", "secret_key"),
    "console": ("mongo_url", "secret_key", "console_url"),
}
"""What a stage cannot do without; everything else has a default. A stage never needs another one's secrets."""


def _setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    return Field(default=default, description=description, examples=[example], **limits)


class Settings(BaseSettings):
    """What an operator may decide. A description completes the sentence "give ...", with units."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", validate_default=False)

    rabbitmq_url: SecretStr = _setting(
        SecretStr(""),
        "the URL of RabbitMQ with user, password and virtual host (`amqp://`, or `amqps://` for TLS)",
        "amqp://leadmail:secret@rabbitmq:5672/leadmail",
    )
    rabbitmq_management_url: SecretStr = _setting(
        SecretStr(""),
        "the URL of RabbitMQ's management interface with user and password; with it `leadmail status` also counts messages in hand",
        "http://leadmail:secret@rabbitmq:15672",
    )
    mongo_url: SecretStr = _setting(
        SecretStr(""),
        "the URL of MongoDB, which has to be a replica set (one member is enough)",
        "mongodb://leadmail:secret@mongodb:27017/?replicaSet=rs0&authSource=admin",
    )
    mongo_database: str = _setting(
        "leadmail", "the name of the database in which Leadmail keeps its own data", "leadmail", min_length=1
    )
    secret_key: SecretBytes = _setting(
        SecretBytes(b""),
        "32 random bytes in base64 or hex (`openssl rand -base64 32`): they seal mailbox passwords and key the marks in the ledger",
        "uZ0pV…(44 characters)",
    )
    secret_keys_old: Annotated[tuple[SecretBytes, ...], NoDecode] = _setting(
        (),
        "earlier values of LEADMAIL_SECRET_KEY, separated by commas, the oldest last: it keys the marks in the ledger for good",
        "",
    )
    smtp_url: SecretStr = _setting(
        SecretStr(""),
        "the server by which confirmations are sent: `smtps://` for TLS from the start, `smtp://` for STARTTLS",
        "smtp://leadmail:secret@mail.example.com:587",
    )
    mail_from: str = _setting("", "the sender of confirmations", "Leadmail <leadmail@example.com>")
    allow_networks: Annotated[tuple[Network, ...], NoDecode] = _setting(
        (),
        "networks (CIDR, separated by commas) that are not public and in which mail servers may be all the same",
        "10.20.0.0/16,127.0.0.0/8",
    )
    allow_plaintext: bool = _setting(
        False, "`true` to let mail servers be used without TLS: for tests and the demo", "false"
    )
    ca_file: str = _setting(
        "", "a PEM file with certificate authorities to trust beside the system's", "/etc/leadmail/ca.pem"
    )

    crm_database: str = _setting(
        "crm", "the name of the database in which the CRM keeps its records", "crm", min_length=1
    )
    crm_leads_collection: str = _setting("leads", "the collection of leads", "leads", min_length=1)
    crm_contacts_collection: str = _setting("contacts", "the collection of contacts", "contacts", min_length=1)
    crm_address_fields: Names = _setting(
        ("email", "emails", "email_addresses"),
        "the fields (separated by commas, dots lead into sub-documents) that hold addresses: a text, an array of texts, "
        "or an array of documents with `email`, `address` or `value`",
        "email,emails",
        min_length=1,
    )
    crm_name_fields: Names = _setting(
        ("name", "full_name", "first_name,last_name"),
        "the fields that hold a record's name, separated by semicolons; the first that is there counts, "
        "several joined by commas make one name",
        "name;first_name,last_name",
        min_length=1,
    )
    crm_owner_field: str = _setting(
        "owner", "the field that holds the e-mail address of the user who owns a record", "owner"
    )
    crm_company_field: str = _setting("company", "the field that holds a record's company", "company")
    crm_readers_field: str = _setting(
        "",
        "the field that lists the e-mail addresses of the users who may read a record (its owner may, too); a record that lists nobody "
        "is read by everyone, and without this setting every record is",
        "readers",
    )
    crm_summary_field: str = _setting(
        "leadmail",
        "the field of a lead or contact into which Leadmail writes its summary, the only one it writes",
        "leadmail",
        min_length=1,
    )
    crm_url_template: str = _setting(
        "",
        "a link to a record's page in the CRM, in which `{kind}` and `{id}` are filled in",
        "https://crm.example.com/{kind}s/{id}",
    )

    poll_seconds: float = _setting(
        60.0, "how often a mailbox is looked into whose server has no IDLE", "60", gt=0, le=86_400
    )
    idle_seconds: float = _setting(
        300.0, "after how long IDLE is begun anew (RFC 2177 wants less than 29 minutes)", "300", ge=5, le=1_700
    )
    max_message_bytes: int = _setting(
        50 * 1024 * 1024,
        "the size above which a mail is skipped as `too-large`",
        "52428800",
        ge=1024,
        le=1024 * 1024 * 1024,
    )
    account_connections: int = _setting(2, "connections to one mailbox at the same time", "2", ge=1, le=10)
    lease_seconds: float = _setting(15.0, "how long a poller that died keeps its accounts", "15", ge=1, le=300)
    reaper_seconds: float = _setting(
        900.0, "after how long a copy without a final state is fetched again", "900", ge=5, le=86_400
    )
    sweep_seconds: float = _setting(
        30.0, "how often work that a process left undone when it died is looked for", "30", ge=0.5, le=300
    )
    reconcile_seconds: float = _setting(
        21_600.0,
        "how often each mailbox is compared with the ledger, message by message, so that nothing that was missed stays missed",
        "21600",
        ge=2,
        le=604_800,
    )
    parser_workers: int = _setting(0, "parsing processes; 0 for one a processor", "2", ge=0, le=256)
    parser_lane: Literal["all", "live", "backfill"] = _setting(
        "all",
        "which mail this parser takes: one for `live` alone keeps new mail coming whatever a backfill does to the others",
        "live",
    )
    parser_timeout_seconds: float = _setting(30.0, "how long one mail may take to parse", "30", gt=0, le=600)
    parser_memory_mb: int = _setting(1024, "MiB of memory that one parsing process may use", "1024", ge=128, le=65_536)
    matcher_batch: int = _setting(200, "how many mails the matcher takes at a time", "200", ge=1, le=1_000)

    http_host: str = _setting(
        "127.0.0.1",
        "the address on which metrics and health are served; `0.0.0.0` in a container",
        "0.0.0.0",  # noqa: S104 - an example
    )
    http_port: int = _setting(0, "the port on which metrics and health are served; 0 for none", "9100", ge=0, le=65_535)
    console_url: str = _setting(
        "",
        "the address at which people reach the console, without a path; `http://` only with LEADMAIL_ALLOW_PLAINTEXT",
        "https://leadmail.example.com",
    )
    console_host: str = _setting(
        "127.0.0.1",
        "the address on which the console's pages are served; `0.0.0.0` in a container",
        "0.0.0.0",  # noqa: S104 - an example
    )
    console_port: int = _setting(8080, "the port on which the console's pages are served", "8080", ge=1, le=65_535)
    console_proxies: Annotated[tuple[Network, ...], NoDecode] = _setting(
        (),
        "networks (CIDR, separated by commas) in which the reverse proxies before the console are: what they say of who asks is believed",
        "127.0.0.1/32",
    )
    console_frames: Names = _setting(
        (),
        "the origins (separated by commas) whose pages may show record pages in a frame: your CRM's",
        "https://crm.example.com",
    )
    console_session_hours: float = _setting(
        24.0, "how many hours somebody stays signed in to the console", "24", gt=0, le=720
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "what is logged; `debug` has a line a message", "info"
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "auto", "how it is logged; `auto`: for people on a terminal, else JSON", "json"
    )
    shutdown_seconds: float = _setting(
        20.0, "how long work in hand may take to finish when a process is told to stop", "20", ge=0, le=600
    )
    tracing_url: SecretStr = _setting(
        SecretStr(""),
        "the URL of an OpenTelemetry collector (OTLP over HTTP; `/v1/traces` is added) to which traces go; without it nothing is traced",
        "http://collector:4318",
    )
    tracing_share: float = _setting(
        1.0, "which share of the mail is traced, from fetching to visible; 1: all of it", "0.01", ge=0, le=1
    )
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{secrets.token_hex(3)}",
        description="this process's name, unlike that of any other; by default made from the host's name",
        examples=["poller-1"],
        min_length=1,
    )

    @field_validator("allow_networks", "console_frames", "console_proxies", "crm_address_fields", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return split_list(value, ",")

    @field_validator("crm_name_fields", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return split_list(value, ";")

    @field_validator("secret_key", mode="before")
    @classmethod
    def _key(cls, value: Any) -> Any:
        return decode_key(value) if isinstance(value, str) else value

    @field_validator("secret_keys_old", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        return tuple(decode_key(text) for text in split_list(value, ",")) if isinstance(value, str) else value

    @field_validator("tracing_url")
    @classmethod
    def _collector(cls, value: SecretStr) -> SecretStr:
        require_http_url(value.get_secret_value())
        return value

    @field_validator("console_url")
    @classmethod
    def _origin(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("http://") and not info.data.get("allow_plaintext"):
            raise ValueError("without TLS everybody on the way could read mail")
        return read_origin(value)

    @field_validator("console_frames")
    @classmethod
    def _origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(read_origin(value) for value in values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by ours, which knows ..._FILE
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nothing is read that was not named
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nothing is read that was not named
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what the caller gives, then the environment."""
        return init_settings, EnvironmentSource(settings_cls)


def read_settings(stage: Stage) -> Settings:
    """Return the settings of this process.

    Raises:
        SettingsError: a setting that the stage needs is missing, or one is wrong.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise wrong(Settings.model_fields, error) from None
    for name in REQUIRED[stage]:
        value = getattr(settings, name)
        if not (value if isinstance(value, str) else value.get_secret_value()):
            raise missing(Settings.model_fields, name)
    return settings


def load_settings(stage: Stage) -> Settings:
    """Return the settings of this process, or end it with one sentence that names the setting which is missing or wrong."""
    try:
        return read_settings(stage)
    except SettingsError as error:
        raise SystemExit(f"leadmail: {error}") from None
