"""What owners do to their folders, and what the independent reader sees, on the real server."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from testbed.chaos.proof.mailbox import Mailbox
from testbed.chaos.proof.reader import Held, Reader
from testbed.local import LocalServers

MAILS = [
    ("Clients", f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nhello\r\n".encode(), 0) for number in range(9)
]


@pytest.fixture
def box(servers: LocalServers, new_mail_user: Callable[..., Any]) -> Mailbox:
    """A mailbox with nine mails in one folder."""
    user = new_mail_user()
    made = Mailbox(servers.imap, user.address, user.password)
    made.fill(MAILS)
    return made


def clients(box: Mailbox) -> list[Held]:
    """Return what the reader finds, by uid."""
    found = [held for held in Reader().read("a", box) if held.copy.folder.startswith(b"Clients")]
    return sorted(found, key=lambda held: held.copy.uid)


def ids(held: list[Held]) -> list[str | None]:
    """Return Message-IDs."""
    return [each.mail.message_id for each in held]


@pytest.mark.servers
def test_a_recreated_folder_has_the_same_mails_under_other_uids(box: Mailbox) -> None:
    """It has another uidvalidity and another order, so that a header fetched by an old uid is detected."""
    before = clients(box)
    assert box.renew("Clients", Random(1))
    after = clients(box)
    assert {each.copy.folder for each in after} == {b"Clients"}
    assert {each.copy.uidvalidity for each in after}.isdisjoint(each.copy.uidvalidity for each in before)
    assert ids(after) != ids(before)
    assert sorted(map(str, ids(after))) == sorted(map(str, ids(before)))


@pytest.mark.servers
def test_a_deleted_folder_spares_referenced_mail_and_subfolders(box: Mailbox) -> None:
    """Referenced mails move to another folder; the reader ignores a deleted folder that is still listed."""
    box.fill([("Clients/Old", MAILS[0][1], 0)])
    assert box.drop("Clients", "INBOX", frozenset({"<3@x>"}))
    held = Reader().read("a", box)
    assert sorted((each.copy.folder, each.mail.message_id) for each in held) == [
        (b"Clients/Old", "0@x"),
        (b"INBOX", "3@x"),
    ]


@pytest.mark.servers
def test_a_renamed_folder_keeps_its_mails(box: Mailbox) -> None:
    """They keep their uids, and the new name is free."""
    before = clients(box)
    assert box.rename("Clients", "Clients2")
    assert [(each.copy.uid, each.copy.folder) for each in clients(box)] == [
        (each.copy.uid, b"Clients2") for each in before
    ]
    with pytest.raises(Exception, match="mail server said"):
        box.rename("Clients2", "INBOX")
