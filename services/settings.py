"""The settings of each process: which it reads, and which it cannot do without. The parts are in ``services.runtime.settings``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import field_validator

from services.runtime.environment import read_origin
from services.runtime.mail_settings import (
    ConsoleUrlSettings,
    Networks,
    SecretSettings,
    SenderSettings,
)
from services.runtime.people_settings import OidcIssuerSettings, OidcSettings, ScimSettings, SignInSettings
from services.runtime.settings import (
    LeaseSettings,
    Names,
    OverviewSettings,
    ProcessSettings,
    ServiceSettings,
    StageSettings,
    StoreSettings,
    UndoSettings,
    setting,
)


class PollerSettings(StageSettings, SecretSettings, SignInSettings, LeaseSettings):
    """The poller."""

    process: ClassVar[str] = "poller"
    required: ClassVar[tuple[str, ...]] = ("rabbitmq_url", "mongo_url", "secret_key")

    poll_seconds: float = setting(
        12.0,
        "how many seconds pass between two checks of what a mail server does not announce: other folders than INBOX"
        " if it has no NOTIFY, every folder if it has no IDLE; quiet folders and flags have their turn less often",
        "12",
        gt=0,
        le=86_400,
    )
    idle_seconds: float = setting(
        300.0, "after how many seconds IDLE is renewed (RFC 2177 asks for less than 29 minutes)", "300", ge=5, le=1_700
    )
    max_message_bytes: int = setting(
        50 * 1024 * 1024,
        "the size in bytes above which a mail is skipped as `too-large`",
        "52428800",
        ge=1024,
        le=1024 * 1024 * 1024,
    )
    account_connections: int = setting(
        2,
        "how many connections to one mailbox may be open; the second is for background work, and between that it waits"
        " for mail in Sent if the server announces one folder at a time",
        "2",
        ge=1,
        le=10,
    )
    block_refusals: int = setting(
        3, "after how many refused log-ins in a row an account may be blocked", "3", ge=1, le=100
    )
    block_seconds: float = setting(
        600.0,
        "over how many seconds these refusals must be spread: servers refuse the right password for a moment, too",
        "600",
        ge=0.1,
        le=86_400,
    )
    blocked_retry_hours: float = setting(
        24.0,
        "after how many hours the login of a blocked account is tried again; one that works continues",
        "24",
        gt=0,
        le=8_760,
    )
    mailbox_bytes: int = setting(
        0,
        "how many bytes may be downloaded from one mailbox in a day, of which new mail keeps a fifth;"
        " `0` for what the mail service is known to allow (Gmail 2.5 GB)",
        "2500000000",
        ge=0,
    )
    mailbox_bytes_hours: float = setting(24.0, "the hours that `LEADMAIL_MAILBOX_BYTES` is for", "24", gt=0, le=744)
    host_logins: int = setting(
        0,
        "how many log-ins all pollers together may send to one mail server in a minute; `0` for no limit",
        "300",
        ge=0,
    )
    host_commands: int = setting(
        0,
        "how many commands all pollers together may send to one mail server in a minute, of which new mail keeps a fifth;"
        " `0` for no limit",
        "6000",
        ge=0,
    )
    host_connections: int = setting(
        0,
        "how many connections to one mail server all pollers together may have open at once; new mail comes first, and accounts"
        " take turns if there are more of them; `0` for no limit",
        "100",
        ge=0,
    )
    reaper_seconds: float = setting(
        900.0, "after how many seconds a copy without a final state is fetched again", "900", ge=5, le=86_400
    )
    reconcile_seconds: float = setting(
        21_600.0,
        "how many seconds pass between two comparisons of a mailbox with the ledger, message by message",
        "21600",
        ge=2,
        le=604_800,
    )
    evidence_seconds: float = setting(
        600.0,
        "for how many seconds a mail server must fail to deliver a mail, at several attempts, until the copy is skipped",
        "600",
        ge=1,
        le=604_800,
    )


class ParserSettings(StageSettings):
    """The parser."""

    process: ClassVar[str] = "parser"
    required: ClassVar[tuple[str, ...]] = ("rabbitmq_url", "mongo_url")

    parser_workers: int = setting(0, "the number of parsing processes; 0 for one per processor", "2", ge=0, le=256)
    parser_lane: Literal["all", "live", "backfill"] = setting(
        "all",
        "the mail that this parser takes; a parser for `live` only keeps new mail moving whatever a backfill does to the others",
        "live",
    )
    parser_timeout_seconds: float = setting(30.0, "how many seconds one mail may take to parse", "30", gt=0, le=600)
    parser_memory_mb: int = setting(1024, "how many MiB of memory a parsing process may use", "1024", ge=128, le=65_536)


class MatcherSettings(StageSettings, SecretSettings):
    """The matcher."""

    process: ClassVar[str] = "matcher"
    required: ClassVar[tuple[str, ...]] = ("rabbitmq_url", "mongo_url", "secret_key")

    matcher_batch: int = setting(200, "how many mails the matcher takes at a time", "200", ge=1, le=1_000)
    sweep_seconds: float = setting(
        30.0,
        "how many seconds pass between two searches for work that a dead process left undone",
        "30",
        ge=0.5,
        le=300,
    )


class NotifierSettings(StageSettings, SenderSettings, ConsoleUrlSettings):
    """The notifier."""

    process: ClassVar[str] = "notifier"
    required: ClassVar[tuple[str, ...]] = ("rabbitmq_url", "mongo_url", "smtp_url", "mail_from")

    trouble_mail_hours: float = setting(
        24.0,
        "after how many hours of trouble with a mailbox its owner gets a mail, once each time; `0` for never",
        "24",
        ge=0,
        le=8_760,
    )


class CliSettings(
    StoreSettings,
    OverviewSettings,
    SecretSettings,
    SenderSettings,
    SignInSettings,
    ConsoleUrlSettings,
    UndoSettings,
    OidcIssuerSettings,
):
    """The ``leadmail`` command."""

    process: ClassVar[str] = "cli"
    required: ClassVar[tuple[str, ...]] = ("mongo_url", "secret_key")


class ConsoleSettings(
    ServiceSettings,
    OverviewSettings,
    SecretSettings,
    SenderSettings,
    SignInSettings,
    ConsoleUrlSettings,
    UndoSettings,
    ScimSettings,
    OidcSettings,
):
    """The web console."""

    process: ClassVar[str] = "console"
    required: ClassVar[tuple[str, ...]] = ("mongo_url", "secret_key", "console_url")

    console_host: str = setting(
        "127.0.0.1",
        "the address on which the console's pages are served; `0.0.0.0` in a container",
        "0.0.0.0",  # noqa: S104 - an example
    )
    console_port: int = setting(8080, "the port on which the console's pages are served", "8080", ge=1, le=65_535)
    console_proxies: Networks = setting(
        (),
        "networks (CIDR, separated by commas) of the reverse proxies in front of the console: the client address they report is trusted",
        "127.0.0.1/32",
    )
    console_frames: Names = setting(
        (),
        "the origins (separated by commas) whose pages may show record pages in a frame: your CRM's",
        "https://crm.example.com",
    )
    console_session_hours: float = setting(
        24.0, "how many hours a user stays signed in to the console", "24", gt=0, le=720
    )
    crm_url_template: str = setting(
        "",
        "a link to a record's page in the CRM, in which `{kind}` and `{id}` are filled in",
        "https://crm.example.com/{kind}s/{id}",
    )

    @field_validator("console_frames")
    @classmethod
    def _origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(read_origin(value) for value in values)


PROCESSES: dict[str, type[ProcessSettings]] = {
    each.process: each
    for each in (PollerSettings, ParserSettings, MatcherSettings, NotifierSettings, CliSettings, ConsoleSettings)
}
STAGES: dict[str, type[StageSettings]] = {
    each.process: each for each in (PollerSettings, ParserSettings, MatcherSettings, NotifierSettings)
}
