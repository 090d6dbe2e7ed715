"""The deployment's secret is replaced while all stages run, by the command, and then dropped: no mail is missed, no password typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.store import NewRecord
from testbed.local import LocalServers
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.mail import leadmail
from tests.e2e.privacy.test_known_message_id import lying, person, raw

pytestmark = pytest.mark.timeout(600)
NEW = "n" * 43 + "="
CLIENT, LATE, LATER = (f"{name}@customer.example" for name in ("client", "late", "later"))


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment without users."""
    async with deploy(servers, environment, tmp_path) as deployment:
        yield deployment


async def test_the_secret_is_replaced_while_everything_runs(company: Deployment) -> None:
    """Late contacts get mail that came before, during and after the change, each once; answers in a sent thread join their page."""
    ann = person("ann")
    hers = ann.addresses[0]
    await company.store.records.add("contact", NewRecord((CLIENT,)))
    mails = [
        lying(ann, raw(sender.partition("@")[0], sender, hers, text=f"before {sender}")) for sender in (LATE, LATER)
    ]
    mails.append(lying(ann, raw("sent", hers, CLIENT, text="sent"), "Sent"))
    await company.add_user(ann, mails)

    async def shows(who: str, *subjects: str) -> None:
        async def shown() -> bool:
            pages = json.loads(await leadmail(company, "emails", who, "--viewer", hers, "--json"))
            return [sorted(one["subject"] for one in page["emails"]) for page in pages] == [sorted(subjects)]

        await company.until(shown, f"{subjects} are on the page of {who}")

    company.start(*STAGES)
    await company.connect(ann)
    await company.until(company.confirmed, "the backfill is confirmed")
    await shows(CLIENT, "sent")
    # Both secrets, in one variable, as in one file.
    old = company.environment["LEADMAIL_SECRET_KEY"]
    assert company.end() == dict.fromkeys(STAGES, 0)
    company.environment |= {"LEADMAIL_SECRET_KEY": f"{NEW}\n{old}", "LEADMAIL_REAPER_SECONDS": "5"}
    company.start(*STAGES)
    company.phone(ann).put(raw("during-late", LATE, hers, text="during"))
    company.phone(ann).put(raw("answer", "assistant@else.example", hers, text="answer", answers="sent"))
    await shows(CLIENT, "answer", "sent")
    rotating = asyncio.create_task(leadmail(company, "secrets", "rotate"))
    await company.store.records.add("contact", NewRecord((LATE,)))
    await shows(LATE, f"before {LATE}", "during")
    assert b"You can remove" in await rotating
    assert company.end() == dict.fromkeys(STAGES, 0)
    # The old secret is gone.
    company.environment["LEADMAIL_SECRET_KEY"] = NEW
    company.start(*STAGES)
    company.phone(ann).put(raw("after-later", LATER, hers, text="after"))
    company.phone(ann).put(raw("answer-2", "assistant@else.example", hers, text="answer 2", answers="sent"))
    await shows(CLIENT, "answer", "answer 2", "sent")
    await company.store.records.add("contact", NewRecord((LATER,)))
    await shows(LATER, f"before {LATER}", "after")
    await shows(LATE, f"before {LATE}", "during")
    status = json.loads(await leadmail(company, "secrets", "status", "--json"))
    assert (status["finished"], status["accounts"], len(status["keys"])) == (True, [], 1)
    assert company.end() == dict.fromkeys(STAGES, 0)
