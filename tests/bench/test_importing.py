"""The measuring of imports, small, on real servers: late contacts find their mail, and the work is merged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.bench.importing import measure
from testbed.bench.late_mail import LATE, ImportPlan
from testbed.local import LocalServers

PLAN = ImportPlan(contacts=150, accounts=3, messages=160)


def test_the_mailboxes_are_as_planned() -> None:
    """Each contact has a mail in two mailboxes, the late comer one in each; the rest is of strangers."""
    senders = [PLAN.senders(account) for account in range(PLAN.accounts)]
    assert all(len(one) == PLAN.messages for one in senders)
    people = {person.address for person in PLAN.people}
    assert sum(sender in people for one in senders for sender in one) == PLAN.relevant() == 300
    assert all(one.count(LATE.address) == 1 for one in senders)


@pytest.mark.skipif(not os.environ.get("LEADMAIL_LONG"), reason="takes a minute: LEADMAIL_LONG=1 runs it")
async def test_an_import_is_merged(servers: LocalServers, tmp_path: Path) -> None:
    """However many contacts come at once, a mailbox is asked for its mail in batches, not for each contact; every mail arrives."""
    if servers.hosting != "processes":
        pytest.skip("the bench hosts its servers as processes")
    measured = await measure(servers, PLAN, tmp_path)
    assert measured.commands["UID FETCH"] > 0
    assert measured.commands_a_mail < 0.3
    assert measured.given["matcher.record-changed"] == PLAN.contacts
    mails = sum(count for queue, count in measured.given.items() if queue.startswith("parser."))
    assert mails == PLAN.relevant(), "each is fetched once"
    assert measured.lines()
