"""The parts that a process's settings are made of: processes and their servers. ``services.settings`` has one class per process.

A setting is the environment variable ``LEADMAIL_<NAME>``; ``LEADMAIL_<NAME>_FILE`` names a file with its value instead.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from services.runtime.environment import (
    SettingsError,
    environment,
    missing,
    require_http_url,
    split_list,
    wrong,
)

Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: split_list(value, ","))]
NameLists = Annotated[tuple[str, ...], BeforeValidator(lambda value: split_list(value, ";"))]


def setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    """Return the field of a setting. The description completes the sentence "give ..." and names the unit."""
    return Field(default=default, description=description, examples=[example], **limits)


class ProcessSettings(BaseModel):
    """What every process reads. A process's class names the process and the settings that it cannot do without."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    process: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()

    ca_file: str = setting(
        "", "a PEM file with certificate authorities to trust in addition to the system's", "/etc/leadmail/ca.pem"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "the lowest level to log; `debug` logs one line per message", "info"
    )
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "the log format; `auto` is readable text on a terminal and JSON elsewhere", "json"
    )
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{secrets.token_hex(3)}",
        description="a name for this process that no other process has; by default it is made from the host name",
        examples=["poller-1"],
        min_length=1,
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(**{**environment(type(self).model_fields), **values})

    @classmethod
    def read(cls) -> Self:
        """Return the settings in the environment.

        Raises:
            SettingsError: a required setting is missing, or a setting is wrong.
        """
        try:
            settings = cls()
        except ValidationError as error:
            raise wrong(cls.model_fields, error) from None
        for name in cls.required:
            value = getattr(settings, name)
            if not (value if isinstance(value, str) else value.get_secret_value()):
                raise missing(cls.model_fields, name)
        return settings

    @classmethod
    def load(cls) -> Self:
        """Return the settings in the environment, or exit with one sentence that names the missing or wrong setting."""
        try:
            return cls.read()
        except SettingsError as error:
            raise SystemExit(f"leadmail: {error}") from None


def known_settings(root: type[ProcessSettings] = ProcessSettings) -> Iterator[str]:
    """Yield the settings of every process whose class is loaded."""
    yield from root.model_fields
    for child in root.__subclasses__():
        yield from known_settings(child)


class BrokerSettings(ProcessSettings):
    """RabbitMQ and its management interface."""

    rabbitmq_url: SecretStr = setting(
        SecretStr(""),
        "the URL of RabbitMQ with user, password and virtual host (`amqp://`, or `amqps://` for TLS)",
        "amqp://leadmail:secret@rabbitmq:5672/leadmail",
    )
    rabbitmq_management_url: SecretStr = setting(
        SecretStr(""),
        "the URL of RabbitMQ's management interface with user and password; "
        "with it `leadmail status` also counts unacknowledged messages",
        "http://leadmail:secret@rabbitmq:15672",
    )


class DatabaseSettings(ProcessSettings):
    """MongoDB."""

    mongo_url: SecretStr = setting(
        SecretStr(""),
        "the URL of MongoDB, which has to be a replica set (one member is enough)",
        "mongodb://leadmail:secret@mongodb:27017/?replicaSet=rs0&authSource=admin",
    )
    mongo_database: str = setting(
        "leadmail", "the name of the database in which Leadmail keeps its own data", "leadmail", min_length=1
    )


class StoreSettings(DatabaseSettings):
    """MongoDB, and how the CRM keeps its records there."""

    crm_database: str = setting(
        "crm", "the name of the database in which the CRM keeps its records", "crm", min_length=1
    )
    crm_leads_collection: str = setting("leads", "the collection of leads", "leads", min_length=1)
    crm_contacts_collection: str = setting("contacts", "the collection of contacts", "contacts", min_length=1)
    crm_address_fields: Names = setting(
        ("email", "emails", "email_addresses"),
        "the fields that hold addresses, separated by commas (dots lead into subdocuments): each holds a string, an array of strings, "
        "or an array of documents with `email`, `address` or `value`",
        "email,emails",
        min_length=1,
    )
    crm_name_fields: NameLists = setting(
        ("name", "full_name", "first_name,last_name"),
        "the fields that hold a record's name, separated by semicolons: the first that has a value is used; "
        "fields joined by commas make up one name",
        "name;first_name,last_name",
        min_length=1,
    )
    crm_owner_field: str = setting(
        "owner", "the field that holds the email address of the user who owns a record", "owner"
    )
    crm_company_field: str = setting("company", "the field that holds a record's company", "company")
    crm_readers_field: str = setting(
        "",
        "the field that lists the email addresses of the users who may read a record (its owner always may); "
        "every user may read a record that lists no one, and, without this setting, every record",
        "readers",
    )
    crm_summary_field: str = setting(
        "leadmail",
        "the field of a lead or contact into which Leadmail writes its summary, the only field of the CRM's own records that it writes",
        "leadmail",
        min_length=1,
    )


class LeaseSettings(ProcessSettings):
    """How long a poller keeps its accounts."""

    lease_seconds: float = setting(15.0, "how many seconds a poller that died keeps its accounts", "15", ge=1, le=300)


class UndoSettings(ProcessSettings):
    """How long a deletion can be undone."""

    undo_days: float = setting(
        14.0,
        "how many days the deletion of an email can be undone; then its content is removed; 0 for at once",
        "14",
        ge=0,
        le=365,
    )


class OverviewSettings(BrokerSettings, LeaseSettings):
    """What the overview of the whole pipeline needs."""


class ServiceSettings(StoreSettings):
    """What a process reads that runs until it is stopped."""

    http_host: str = setting(
        "127.0.0.1",
        "the address on which metrics and health are served; `0.0.0.0` in a container",
        "0.0.0.0",  # noqa: S104 - an example
    )
    http_port: int = setting(0, "the port on which metrics and health are served; 0 for none", "9100", ge=0, le=65_535)
    shutdown_seconds: float = setting(
        20.0, "how many seconds a process that is stopped may take to finish its work", "20", ge=0, le=600
    )
    tracing_url: SecretStr = setting(
        SecretStr(""),
        "the URL of the OpenTelemetry collector (OTLP over HTTP; `/v1/traces` is added) that receives traces; "
        "without it nothing is traced",
        "http://collector:4318",
    )
    tracing_share: float = setting(
        1.0, "the share of the mail to trace, from fetching to visible; 1 for all of it", "0.01", ge=0, le=1
    )

    @field_validator("tracing_url")
    @classmethod
    def _collector(cls, value: SecretStr) -> SecretStr:
        require_http_url(value.get_secret_value())
        return value


class StageSettings(ServiceSettings, BrokerSettings):
    """What every stage reads."""
