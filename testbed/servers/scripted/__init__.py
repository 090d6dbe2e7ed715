"""An IMAP server in memory that speaks dialects and lies on demand: for what no real server does when a test asks.

- ``server``: `ScriptedServer`: listeners and mailboxes in the running event loop
- ``process``: the same as a child process, with thousands of mailboxes, for benchmarks and chaos
- ``mailbox``: folders, messages, flags, modification sequences, and what tests change in them
- ``dialects``: what a server offers and how it phrases it; those of known services
- ``calls``: one command, and the base of faults
- ``faults``: refusals, cuts, delays, floods and lies, by command
- ``connection``: one client: reads commands, reports changes
- ``commands``: each command's function, and the simple ones
- ``reading``: SELECT, FETCH, SEARCH and their conditions
- ``changing``: APPEND, STORE, COPY, MOVE, EXPUNGE
- ``listing``: LIST, STATUS, NAMESPACE
- ``fetching``: the items of a FETCH
- ``searching``: the keys of a SEARCH, and sequence sets
- ``login``: LOGIN and AUTHENTICATE
- ``grammar``: commands as nested lists

It shares no code with the services: what it says is an independent reading of RFC 3501, 9051, 7162 and their extensions.
"""

from testbed.servers.scripted.calls import Call, ImapFault
from testbed.servers.scripted.dialects import Dialect
from testbed.servers.scripted.mailbox import Folder, Message, ScriptedMailbox
from testbed.servers.scripted.server import Listener, ScriptedServer

__all__ = ["Call", "Dialect", "Folder", "ImapFault", "Listener", "Message", "ScriptedMailbox", "ScriptedServer"]
