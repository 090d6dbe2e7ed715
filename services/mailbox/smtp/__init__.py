"""The SMTP client (asyncio).

- ``connect``: from a server and credentials to a logged-in connection; send one message over it
- ``relay``: the operator's own submission server
"""

from services.mailbox.smtp.connect import RejectedError, close_smtp, connect_smtp, open_smtp
from services.mailbox.smtp.relay import Relay, check, parse_relay, submit

__all__ = [
    "RejectedError",
    "Relay",
    "check",
    "close_smtp",
    "connect_smtp",
    "open_smtp",
    "parse_relay",
    "submit",
]
