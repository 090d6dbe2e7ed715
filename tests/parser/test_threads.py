"""Threads: how a mail's ids are read, and that a real mail server joins the same mails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.header import answered_id, named_ids, own_id
from services.parser.content.parse import parse_mail
from services.store.readers.threads import groups
from testbed.bench.mailboxes import give_to_server
from testbed.local import LocalServers
from testbed.parsing.corpus import mails
from testbed.servers.imap import log_in
from tests.conftest import MailUser
from tests.parser.server_threads import Partition, pairs, partition, read_threads, server_threads

CORPUS = mails()
_HEADER = re.compile(rb"\r?\n\r?\n")
_THREADED = re.compile(rb"^(?:in-reply-to|references):(?:.*\n)(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE)
_OWN = re.compile(rb"^message-id:[ \t\r\n]*<?([^>\r\n]*)", re.IGNORECASE | re.MULTILINE)
_NAMED = re.compile(rb"<([^<>]*)>")


@pytest.mark.parametrize(
    ("value", "answered", "named"),
    [
        ("<a@x>", "a@x", ["a@x"]),
        ("<a@x> <b@x>", "a@x", ["a@x", "b@x"]),
        ("<a@x>,<b@x>;<a@x>", "a@x", ["a@x", "b@x"]),
        ("< a@\r\n x >", "a@x", ["a@x"]),
        ("a@x", "a@x", ["a@x"]),
        ("a@x, b@x", "a@x", ["a@x", "b@x"]),
        ("<20020109.17.mail>", "20020109.17.mail", ["20020109.17.mail"]),
        ("20020109.17.mail", "20020109.17.mail", ["20020109.17.mail"]),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ('Your message of "Mon, 1 Jan 2001 10:00:00 +0100." <a@x>', "a@x", ["a@x"]),
        ('Message from Kim <kim@x> of "Thu, 29 Aug 2002 07:20:11 PDT." <a@x>', "a@x", ["kim@x", "a@x"]),
        ("<a@x>; from Kim <kim@x> on Monday", "a@x", ["a@x", "kim@x"]),
        ("Your message of Monday", None, []),
        ("kim@x's message of Monday", None, []),
        ("Kim Lee <none>", None, []),
        ("none", None, []),
        ("undefined", None, []),
        ("<>", None, []),
        ("", None, []),
    ],
)
def test_ids_are_read_and_prose_is_not(value: str, answered: str | None, named: list[str]) -> None:
    """An address in a sentence is no id: all mail that answers this person would be one thread."""
    assert (answered_id(value), list(named_ids(value))) == (answered, named)


def test_a_mails_own_id_is_taken_as_it_is() -> None:
    """Without brackets or ``@``, and however short: it is this mail's name."""
    assert [own_id(one) for one in ("<a@x>", "a", " <b> ", "", "<>")] == ["a@x", "a", "b", None, None]


SET = {
    1: ("Message-ID: <root@x>", "Subject: Offer"),
    2: ("Message-ID: <a@x>", "References: <root@x>", "In-Reply-To: <root@x>", "Subject: Re: Offer"),
    3: ("Message-ID: <b@x>", "References: <root@x> <a@x>", "Subject: other words"),
    4: ("Message-ID: <c@x>", "In-Reply-To: <b@x>", "Subject: Re: other words"),
    5: ("Message-ID: <late@x>", "References: <lost@x> <c@x>", "Subject: after a lost one"),
    # Two answers to a mail that is not there.
    6: ("Message-ID: <left@x>", "In-Reply-To: <absent@x>", "Subject: left"),
    7: ("Message-ID: <right@x>", "References: <absent@x>", "Subject: right"),
    # An id with an address as a domain, folded, with a comment around it.
    8: ("Message-ID: <ö@x>", "Subject: letters"),
    9: ("Message-ID: <fold@x>", "References:\r\n <far@x>\r\n\t<near@x>", "Subject: folded"),
    10: ("Message-ID: <near@x>", "Subject: near"),
    11: ("Message-ID: <several@x>", "In-Reply-To: <near@x> <left@x>", "Subject: answers two"),
    # One subject, and nothing else in common.
    12: ("Message-ID: <one@x>", "Subject: Invoice"),
    13: ("Message-ID: <two@x>", "Subject: Re: Invoice"),
    14: ("Subject: no id at all",),
    15: ("Message-ID: <circle-1@x>", "References: <circle-2@x>", "Subject: circle"),
    16: ("Message-ID: <circle-2@x>", "References: <circle-1@x>", "Subject: circle"),
}
"""Header fields of mails whose threads both read alike."""
OURS = {
    101: ("Message-ID: <20020109.17.mail>", "Subject: id without a host"),
    102: ("Message-ID: <s1@x>", "In-Reply-To: 20020109.17.mail", "Subject: answers it"),
    103: ("Message-ID: <p1@x>", "In-Reply-To: Message from Kim <kim@x> of Monday <q1@x>", "Subject: answers Kim"),
    104: ("Message-ID: <p2@x>", "In-Reply-To: Message from Kim <kim@x> of Friday <q2@x>", "Subject: answers Kim again"),
    105: ("Message-ID: <own@x>", "References: <own@x>", "In-Reply-To: <q1@x>", "Subject: names itself"),
}
"""Mails whose threads Dovecot reads otherwise: it takes an address for an id, ignores ids without a host, and In-Reply-To beside
References."""


def _raw(fields: tuple[str, ...]) -> bytes:
    return "\r\n".join(("From: kim@x.example", "To: ann@y.example", *fields, "", "Text", "")).encode()


def our_threads(raw: Mapping[int, bytes]) -> Partition:
    """Return the threads of mails by number."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    read = {one: parse_mail(mail, account="a" * 24, internal_date=at).content for one, mail in raw.items()}
    # Two mails without any id and with equal headers would be one email: the bodies that make them differ are not here.
    named = {
        one: content.thread_ids if content.message_id or content.ancestors else (f"only {one}",)
        for one, content in read.items()
    }
    return partition(groups(named.items()))


def _stored(servers: LocalServers, user: MailUser, raw: Mapping[int, bytes]) -> None:
    with log_in(servers.imap.host, servers.imap.port, user.address, user.password) as client:
        for mail in raw.values():
            client.append("INBOX", "", "", mail)


def test_a_real_server_joins_the_same_mails(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    """By their ids, in whatever order they came, and never by subject."""
    user, raw = new_mail_user(), {one: _raw(fields) for one, fields in SET.items()}
    _stored(servers, user, raw)
    with log_in(servers.imap.host, servers.imap.port, user.address, user.password) as client:
        client.select("INBOX", readonly=True)
        theirs, by_subject = server_threads(client, "REFS"), server_threads(client, "REFERENCES")
    ours = our_threads(raw)
    assert ours == theirs
    assert {frozenset({1, 2, 3, 4, 5}), frozenset({6, 7}), frozenset({9, 10, 11}), frozenset({15, 16})} <= ours
    assert pairs(by_subject) - pairs(ours) == {(12, 13)}
    assert our_threads(dict(reversed(raw.items()))) == ours


def test_what_is_read_otherwise_than_by_a_real_server(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """The differences that ``docs/parsing.md`` explains."""
    user, raw = new_mail_user(), {number: _raw(fields) for number, fields in enumerate(OURS.values(), 1)}
    _stored(servers, user, raw)
    with log_in(servers.imap.host, servers.imap.port, user.address, user.password) as client:
        client.select("INBOX", readonly=True)
        theirs = server_threads(client, "REFS")
    assert pairs(our_threads(raw)) == {(1, 2), (3, 5)}
    assert pairs(theirs) == {(3, 4)}


def test_an_answer_about_threads_is_read() -> None:
    """RFC 5256: branches are lists in a list."""
    assert read_threads("(2)(3 6 (4 23)(44 7 96))((1)(5))") == {
        frozenset({2}),
        frozenset({3, 6, 4, 23, 44, 7, 96}),
        frozenset({1, 5}),
    }
    assert read_threads("") == frozenset()


def _headers(path: Path) -> bytes:
    raw = path.read_bytes()
    end = _HEADER.search(raw)
    head = re.sub(rb"\r?\n", b"\r\n", raw[: end.start()] if end else raw)
    return head.partition(b"\r\n")[2] if head.startswith(b"From ") else head


def threaded(paths: list[Path]) -> dict[int, bytes]:
    """Return the headers of mails that name others or are named, one of each Message-ID."""
    heads = {number: head for number, path in enumerate(paths, 1) if (head := _headers(path))}
    fields = {number: b"".join(_THREADED.findall(head + b"\n")) for number, head in heads.items()}
    named = {one for several in fields.values() for one in _NAMED.findall(several)}
    found: dict[bytes, int] = {}
    for number, head in heads.items():
        own = _OWN.search(head)
        if fields[number] or (own and own[1] in named):
            found.setdefault(own[1] if own else b"none %d" % number, number)
    return {number: heads[number] + b"\r\n\r\nText\r\n" for number in found.values()}


@pytest.mark.skipif(not CORPUS, reason="the corpus is not beside the repository")
def test_a_real_server_joins_the_same_mails_of_the_corpus(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """Nearly all threads are equal; ``docs/parsing.md`` says who is right about the others."""
    user, found = new_mail_user(), threaded(CORPUS)
    folder = servers.maildir(user.address)
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for number, head in found.items():
        (folder / "cur" / f"{number:010}.M{number}.x:2,S").write_bytes(b"X-Number: %d\r\n" % number + head)
    give_to_server(folder.parent)
    with log_in(servers.imap.host, servers.imap.port, user.address, user.password) as client:
        client.select("INBOX", readonly=True)
        answers = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (X-Number)])")[1]
        numbers = {
            int(re.search(rb"UID (\d+)", one[0])[1]): int(one[1].split()[1])  # type: ignore[index]
            for one in answers
            if isinstance(one, tuple)
        }
        theirs = frozenset(frozenset(numbers[uid] for uid in thread) for thread in server_threads(client, "REFS"))
    ours = our_threads(found)
    said = f"{len(found)} mails, {len(ours)} and {len(theirs)} threads, {len(ours & theirs)} equal; pairs: "
    said += f"{len(pairs(ours))} and {len(pairs(theirs))}, {len(pairs(ours) & pairs(theirs))} equal"
    assert len(ours & theirs) >= 0.97 * len(theirs), said
    assert len(pairs(theirs) - pairs(ours)) <= 0.01 * len(pairs(theirs)), said
    print(said)  # noqa: T201
