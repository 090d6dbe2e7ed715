"""The SMTP client (asyncio).

- ``connect``: from a server and credentials to a logged-in connection; send one message over it
- ``relay``: the operator's own submission server
- ``relay_tokens``: its access tokens, where it takes no password
- ``relay_refresher``: they come by a refresh token that may rotate
"""

from services.mailbox.smtp.connect import RejectedError, close_smtp, connect_smtp, open_smtp
from services.mailbox.smtp.relay import Relay, check, parse_relay, submit
from services.mailbox.smtp.relay_refresher import RelayRefresher, RelayTokenStore
from services.mailbox.smtp.relay_tokens import RelayTokens

__all__ = [
    "RejectedError",
    "Relay",
    "RelayRefresher",
    "RelayTokenStore",
    "RelayTokens",
    "check",
    "close_smtp",
    "connect_smtp",
    "open_smtp",
    "parse_relay",
    "submit",
]
