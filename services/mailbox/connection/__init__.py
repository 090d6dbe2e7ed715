"""What every connection to a mail server needs.

- ``policy``: what the operator allows, and time-outs
- ``netguard``: resolve a typed server name, check its addresses, connect
- ``ip_ranges``: whether an address is public
- ``hostname``: the canonical form of a typed server name
- ``tls``: verified TLS
- ``credentials``: passwords and tokens
- ``secret_box``: envelope encryption of credentials, keys derived from the deployment's secret
- ``sealed_sample``: whether the deployment's secrets open stored credentials
- ``sasl``: SASL exchanges
- ``line_breaks``: refuse arguments that could inject a command
- ``refusals``: what a server's refusal means
- ``refusal_rules``: the table of wordings
- ``errors``: why a mail server cannot be used, as stable codes

A name below loads its module when it is first used: most commands connect to no mail server.
"""

from typing import TYPE_CHECKING

from services.front_door import front_door

if TYPE_CHECKING:
    from services.mailbox.connection.credentials import Credentials, OAuth2Credentials, PasswordCredentials, password
    from services.mailbox.connection.errors import (
        APP_ONLY,
        TOKEN_REFUSED,
        TRANSIENT,
        Code,
        MailServerError,
        clean_answer,
    )
    from services.mailbox.connection.hostname import HostNameError, host_name
    from services.mailbox.connection.line_breaks import InjectionError, refuse_line_breaks
    from services.mailbox.connection.netguard import NetGuard
    from services.mailbox.connection.policy import ConnectPolicy, Timeouts
    from services.mailbox.connection.refusal_rules import Protocol
    from services.mailbox.connection.refusals import classify, passing, response_code, suggested_pause
    from services.mailbox.connection.sasl import (
        BearerExchange,
        SaslExchange,
        bearer_mechanism,
        login_exchange,
        plain_exchange,
    )
    from services.mailbox.connection.sealed_sample import SealedSample, open_one, require_usable_secret
    from services.mailbox.connection.secret_box import SealError, SecretBox, derive, key_id
    from services.mailbox.connection.tls import tls_error

__all__ = [
    "APP_ONLY",
    "TOKEN_REFUSED",
    "TRANSIENT",
    "BearerExchange",
    "Code",
    "ConnectPolicy",
    "Credentials",
    "HostNameError",
    "InjectionError",
    "MailServerError",
    "NetGuard",
    "OAuth2Credentials",
    "PasswordCredentials",
    "Protocol",
    "SaslExchange",
    "SealError",
    "SealedSample",
    "SecretBox",
    "Timeouts",
    "bearer_mechanism",
    "classify",
    "clean_answer",
    "derive",
    "host_name",
    "key_id",
    "login_exchange",
    "open_one",
    "passing",
    "password",
    "plain_exchange",
    "refuse_line_breaks",
    "require_usable_secret",
    "response_code",
    "suggested_pause",
    "tls_error",
]

_HOMES = {
    "services.mailbox.connection.credentials": ("Credentials", "OAuth2Credentials", "PasswordCredentials", "password"),
    "services.mailbox.connection.errors": (
        "APP_ONLY",
        "TOKEN_REFUSED",
        "TRANSIENT",
        "Code",
        "MailServerError",
        "clean_answer",
    ),
    "services.mailbox.connection.hostname": ("HostNameError", "host_name"),
    "services.mailbox.connection.line_breaks": ("InjectionError", "refuse_line_breaks"),
    "services.mailbox.connection.netguard": ("NetGuard",),
    "services.mailbox.connection.policy": ("ConnectPolicy", "Timeouts"),
    "services.mailbox.connection.refusal_rules": ("Protocol",),
    "services.mailbox.connection.refusals": ("classify", "passing", "response_code", "suggested_pause"),
    "services.mailbox.connection.sasl": (
        "BearerExchange",
        "SaslExchange",
        "bearer_mechanism",
        "login_exchange",
        "plain_exchange",
    ),
    "services.mailbox.connection.sealed_sample": ("SealedSample", "open_one", "require_usable_secret"),
    "services.mailbox.connection.secret_box": ("SealError", "SecretBox", "derive", "key_id"),
    "services.mailbox.connection.tls": ("tls_error",),
}

if not TYPE_CHECKING:
    __getattr__ = front_door(__name__, _HOMES)
