"""The adapter to imaplib and imapclient: the only package that touches their private members, each with its reason.

- ``client``: ``MailClient``, the IMAPClient around the protocol object
- ``protocol``: ``ImapProtocol``, imaplib over a checked socket: no command injection, no log, IDLE
- ``reading``: how answers are read: bounded in bytes, tolerant of dialects
- ``deadline_socket``: read lines and literals, bounded in size and time
- ``response_lines``: what one line is
- ``notices``: keep what a server reports unasked, however often it does
"""

from services.mailbox.imap.protocol.client import MailClient
from services.mailbox.imap.protocol.deadline_socket import AnswerTooLargeError, DeadlineSocket
from services.mailbox.imap.protocol.protocol import ImapProtocol
from services.mailbox.imap.protocol.reading import CLOSED, MAX_LITERALS, UnreadableAnswerError
from services.mailbox.imap.protocol.response_lines import parse_line

__all__ = [
    "CLOSED",
    "MAX_LITERALS",
    "AnswerTooLargeError",
    "DeadlineSocket",
    "ImapProtocol",
    "MailClient",
    "UnreadableAnswerError",
    "parse_line",
]
