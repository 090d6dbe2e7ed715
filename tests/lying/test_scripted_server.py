"""The scripted server itself, by the standard library's client: what it says when it does not lie."""

from __future__ import annotations

import asyncio
import imaplib
import re

import pytest

from testbed.processes.parts import MAIL_SERVERS
from testbed.servers.scripted import Dialect, ScriptedServer
from testbed.servers.scripted import dialects as known
from testbed.servers.scripted.faults import Refuse, Rewrite
from testbed.servers.scripted.process import PASSWORD, ScriptedProcess, user
from tests.lying.test_dialects import CASES
from tests.poller.fixtures import ROOT

RAW = b"Subject: offer\r\nFrom: ana@x.example\r\n\r\nhello\r\n"


def converse(port: int) -> None:
    """Log in, and use what other clients use."""
    client = imaplib.IMAP4("127.0.0.1", port)
    client.login("ana", "secret")
    assert client.append("INBOX", r"(\Seen)", "", RAW)[1] == [b"[APPENDUID 1700000001 1] done"]
    assert client.select("INBOX")[1] == [b"1"]
    assert client.uid("SEARCH", "SUBJECT", "offer", "SEEN")[1] == [b"1"]
    assert client.uid("SEARCH", "NOT", "UID", "1")[1] == [b""]
    _, data = client.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (subject)] BODY.PEEK[]<0.7>)")
    assert [part[1] for part in data if isinstance(part, tuple)] == [b"Subject: offer\r\n\r\n", b"Subject"]
    assert client.uid("STORE", "1", "+FLAGS", r"(\Flagged)")[1] == [rb"1 (UID 1 FLAGS (\Flagged \Seen))"]
    client.create('"Offers &AOk-"')
    assert client.uid("MOVE", "1", '"Offers &AOk-"')[0] == "OK"
    assert client.uid("SEARCH", "ALL")[1] == [b""]
    assert client.status('"Offers &AOk-"', "(MESSAGES UIDNEXT)")[1] == [b'"Offers &AOk-" (MESSAGES 1 UIDNEXT 2)']
    assert len(client.list('""', "%")[1]) == 6
    client.logout()


async def test_a_client_reads_and_changes_a_mailbox() -> None:
    """It answers as RFC 3501 and UIDPLUS say."""
    async with ScriptedServer() as server:
        mailbox = server.add("ana", "secret")
        listener = await server.listen()
        await asyncio.to_thread(converse, listener.port)
        assert [message.raw for message in mailbox.folder("Offers &AOk-").messages] == [RAW]
        assert mailbox.calls["UID SEARCH"] == 3


async def test_faults_apply_to_the_commands_that_they_name() -> None:
    """A refusal for a number of times, and a changed answer."""
    async with ScriptedServer() as server:
        mailbox = server.add("ana", "secret")
        mailbox.add(RAW)
        mailbox.faults += [
            Refuse("EXAMINE", times=1, text="NO [INUSE] later"),
            Rewrite("EXAMINE", pattern=rb"UIDNEXT \d+", to=b"UIDNEXT 9"),
        ]
        listener = await server.listen(Dialect().without("CONDSTORE"))

        def look() -> None:
            client = imaplib.IMAP4("127.0.0.1", listener.port)
            assert "CONDSTORE" not in client.capabilities
            client.login("ana", "secret")
            assert client.select("INBOX", readonly=True) == ("NO", [b"[INUSE] later"])
            assert client.select("INBOX", readonly=True)[0] == "OK"
            assert client.response("UIDNEXT")[1] == [b"9"]

        await asyncio.to_thread(look)


def test_the_process_serves_many_mailboxes() -> None:
    """Each with its mails; orders arrive while it serves."""
    with ScriptedProcess(3, mails=2) as process:
        client = imaplib.IMAP4("127.0.0.1", process.port)
        client.login(user(1), PASSWORD)
        assert client.select("INBOX")[1] == [b"2"]
        assert process.deliver(1, RAW) == 3
        assert client.noop()[0] == "OK"
        assert client.response("EXISTS")[1][-1] == b"3"
        assert process.uids(1) == [1, 2, 3]
        process.fault([1], "Refuse", command="*FETCH", text="NO throttled")
        assert client.uid("FETCH", "1", "(FLAGS)") == ("NO", [b"throttled"])
        process.heal()
        assert client.uid("FETCH", "1", "(FLAGS)")[0] == "OK"
        assert process.counts()["connections"] == 1
        process.cut()
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            client.noop()


COLUMNS = ("IDLE", "NOTIFY", "CONDSTORE QRESYNC", "SPECIAL-USE", "LIST-STATUS", "MOVE", "UIDPLUS")
"""Of the table in docs/servers.md, after the name."""


DIALECTS = [one for one in vars(known).values() if isinstance(one, Dialect) and one is not known.FULL]


def tables() -> list[list[str]]:
    """Return the cells of the rows of docs/servers.md that say how something was tried."""
    lines = (ROOT / "docs/servers.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if len(row) == len(COLUMNS) + 3 and ".py" in row[-1]]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_page_of_servers_names_the_cases_of_a_dialect(dialect: Dialect) -> None:
    """Its row has the words that select them, and they select cases of no other dialect."""
    found = [
        word
        for *_, tried in tables()
        for word in re.findall(r"test_dialects\.py -k (\w+)", tried)
        if word.lower() in dialect.name.lower()
    ]
    assert len(found) == 1
    chosen = [case for case in CASES if found[0].lower() in case.name.lower()]
    assert chosen
    assert all(case.dialect is dialect for case in chosen)


def test_the_page_of_servers_names_the_tests_of_each_real_server() -> None:
    """As a process and in a container."""
    found = [word for *_, tried in tables() for word in re.findall(r"test_mail_servers\.py -k (\w+)", tried)]
    assert sorted(found) == sorted(2 * [*MAIL_SERVERS])


@pytest.mark.parametrize(
    "dialect",
    [one for one in DIALECTS if one not in (known.ICLOUD, known.CYRUS, known.COURIER, known.REV2)],
    ids=lambda dialect: dialect.name,
)
def test_the_page_of_servers_says_what_a_dialect_offers(dialect: Dialect) -> None:
    """A row of docs/servers.md is what was tried."""
    cells = next(row for row in tables() if row[0] == dialect.name)[1:]
    said = dict(zip(COLUMNS, cells, strict=False))
    offered = {names: [name for name in names.split() if dialect.has(name)] for names in COLUMNS}
    forms = {
        names: "no" if not some else "yes" if some == names.split() else some[0] for names, some in offered.items()
    }
    assert said == forms
