"""What was not sent, or is flagged as deleted, is on no page: with a real mailbox, all stages, and the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.store import NewRecord
from testbed.local import LocalServers
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.privacy.test_known_message_id import CLIENT, lying, page, person, raw

pytestmark = pytest.mark.timeout(600)
EVE = "eve@crm.example"


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment without users."""
    async with deploy(servers, environment, tmp_path) as deployment:
        yield deployment


async def test_drafts_and_deleted_mail_are_on_no_page(company: Deployment) -> None:
    """A draft in the inbox, in whatever folder of drafts, and mail that another device flags as deleted, with what answers it."""
    ann = person("ann")
    me = ann.addresses[0]
    await company.store.records.add("contact", NewRecord((CLIENT,)))
    await company.store.users.add(EVE)
    draft = replace(lying(ann, raw("draft", me, CLIENT, text="draft")), flags=("\\Draft",))
    foreign = lying(ann, raw("mustand", me, CLIENT, text="mustand"), "Mustandid")
    answer = raw("answer", "assistant@elsewhere.example", me, text="answer", answers="sent")
    mails = [
        lying(ann, raw("offer", CLIENT, me, text="offer")),
        lying(ann, raw("sent", me, CLIENT, text="sent"), "Sent"),
        lying(ann, answer),
    ]
    await company.add_user(ann, [draft, foreign, *mails])
    company.start(*STAGES)
    await company.connect(ann)

    def shows(*subjects: str) -> Callable[[], Awaitable[bool]]:
        async def shown() -> bool:
            return [await page(company, viewer) for viewer in (me, EVE)] == [sorted(subjects)] * 2

        return shown

    await company.until(company.confirmed, "the mailbox is imported")
    await company.until(shows("answer", "offer", "sent"), "only what was sent or received is on the page")
    phone = company.phone(ann)
    with phone._open() as imap:
        imap.select("Sent")
        imap.store("1", "+FLAGS", "(\\Deleted)")
        await company.until(shows("offer"), "the mail flagged as deleted takes along what answers it")
        imap.store("1", "-FLAGS", "(\\Deleted)")
        await company.until(shows("answer", "offer", "sent"), "both are back when the flag goes")
    assert company.end() == dict.fromkeys(STAGES, 0)
