"""The IMAP client. A command passes four layers: session, commands, and two of protocol.

- ``session``: ``ImapSession``, what can be asked of a mailbox (asyncio)
- ``folder_connection``: the base of a session: list folders and open them
- ``async_connection``: the base of both: run commands in threads, one at a time; drop the connection on errors
- ``commands``: the IMAP commands in use (blocking)
- ``answers``: answers as values, within their bounds
- ``protocol``: the adapter to imaplib and imapclient, with every private member of theirs that is used
- ``connect``: from a server and credentials to a logged-in connection (blocking)
- ``events``: wait until the server reports something
- ``wakeup``: wait for events and sockets in little memory
- ``reader``: look into a mailbox, for commands of the operator
- ``uids``: the uids of a folder in windows
- ``folders``: which folders are synchronised
- ``folder_names``: decode folder names, and what they mean in the usual languages
- ``errors``: what can go wrong on a logged-in connection
"""

from services.mailbox.imap.answers import UNREADABLE_LINE, BodyPart, Fetched, Listed, UidRanges, canonical, uid_set
from services.mailbox.imap.async_connection import CommandObserver
from services.mailbox.imap.commands import Selected
from services.mailbox.imap.connect import connect_imap, open_imap
from services.mailbox.imap.errors import (
    ConnectionLostError,
    ContradictionError,
    IdleUnansweredError,
    RefusedError,
    UidValidityChangedError,
    UnusableAnswerError,
)
from services.mailbox.imap.events import MailboxEvents, wait_for_events
from services.mailbox.imap.folders import NEVER, plan_folders, primary, readable
from services.mailbox.imap.protocol import DeadlineSocket, MailClient
from services.mailbox.imap.reader import MailboxReader, OpenFolder, open_reader
from services.mailbox.imap.session import ImapSession
from services.mailbox.imap.uids import HIGHEST_UID, SPAN, UidSpan, all_uids, same_uids, uid_windows
from services.mailbox.imap.wakeup import Wakeup, wait_for_any

__all__ = [
    "HIGHEST_UID",
    "NEVER",
    "SPAN",
    "UNREADABLE_LINE",
    "BodyPart",
    "CommandObserver",
    "ConnectionLostError",
    "ContradictionError",
    "DeadlineSocket",
    "Fetched",
    "IdleUnansweredError",
    "ImapSession",
    "Listed",
    "MailClient",
    "MailboxEvents",
    "MailboxReader",
    "OpenFolder",
    "RefusedError",
    "Selected",
    "UidRanges",
    "UidSpan",
    "UidValidityChangedError",
    "UnusableAnswerError",
    "Wakeup",
    "all_uids",
    "canonical",
    "connect_imap",
    "open_imap",
    "open_reader",
    "plan_folders",
    "primary",
    "readable",
    "same_uids",
    "uid_set",
    "uid_windows",
    "wait_for_any",
    "wait_for_events",
]
