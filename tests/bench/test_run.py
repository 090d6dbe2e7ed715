"""The bench itself, small, on real servers: it measures what it promises, and a wrong result gives no figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.bench import backfill, live, mbsync
from testbed.bench.accounting import children_of_this
from testbed.bench.deployment import STAGES, deployed
from testbed.bench.mailboxes import BenchError, MailLogin, new_mailbox, write_content
from testbed.bench.notice_proxy import NoticeProxy
from testbed.bench.session import SERVERS
from testbed.local import HostingError, LocalServers
from testbed.samples.bench.mailbox import LAST_MOMENT, live_messages
from testbed.samples.bench.people import OWNER_ADDRESS, contacts

SEED = 7


@pytest.fixture
def yardstick(servers: LocalServers) -> None:
    """The test needs mbsync, and mailboxes that can be put where the mail server reads them."""
    if servers.hosting != "processes":
        pytest.skip("the bench hosts its servers as processes")
    try:
        mbsync.prepare()
    except HostingError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("yardstick")
async def test_a_backfill_and_live_mail_are_measured_and_checked(servers: LocalServers, tmp_path: Path) -> None:
    """A small run gives every figure; a ledger that differs from the mailbox ends it."""
    content = write_content(servers, messages=80, relevant=0.5, seed=SEED)
    pids = children_of_this(SERVERS)
    assert all(pids.values())
    async with deployed(servers, tmp_path / "logs", contacts(SEED), pids) as deployment:
        measured = await backfill.measure(deployment, content, tmp_path)
        assert 0 < measured.seconds < 60
        assert all(seconds > 0 for seconds in measured.mbsync_seconds)
        assert all(measured.cpu_seconds[name] > 0 and measured.peak_mb[name] > 20 for name in STAGES)
        assert measured.cpu_seconds["mongodb"] > 0

        account = await deployment.store.accounts.find(OWNER_ADDRESS)
        other = MailLogin("nobody", "", replace(content, relevant=content.relevant + 1))
        with pytest.raises(BenchError, match=f"wrong result: the ledger has {content.relevant} attached"):
            await backfill.check_counts(deployment, account, other)

        async with NoticeProxy(servers.imap.host, servers.imap.port) as proxy:
            mailbox = await live.connect(deployment, new_mailbox(servers, "live"), proxy)
            seen = await live.measure(mailbox, live_messages(3, seed=SEED, seconds=LAST_MOMENT + 60), gap=0.3, first=1)
        assert len(seen) == 3
        assert all(one.noticed < one.visible and one.delivered < one.visible for one in seen)
