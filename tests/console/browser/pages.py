"""Every page of the console, with something on it: mailboxes in each state, long words, tables, notes, refusals."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple
from urllib.parse import quote

from playwright.async_api import Page

from services.console.app import PAGES
from tests.console.browser.site import Site
from tests.console.fixtures import ANN, BOB, CARLA, EVE, put_rich, rich
from tests.console.test_operations import add_dead_letter
from tests.console.test_trouble_and_balance import fill, trouble
from tests.factories import account

Doing = Callable[[Page], Awaitable[None]]
LONG = "long" + 28 * "word"
LONG_ADDRESS = f"{'very' * 15}@{'.'.join(['department' * 4] * 3)}.example"
ALIAS = "ann.with.a.long.name@another-long-name.company.example"
_NO_PAGE = {
    "/",  # these lead elsewhere
    "/sign-in/company",
    "/sign-in/callback",
    "/sign-in/company/sign-out",
    "/mailboxes/sign-in/{service}",
    "/mailboxes/signed-in",  # the walk through a sign-in shows it
    "/mail/{email}/html",  # the mail itself
    "/mail/{email}/raw",
    "/mail/{email}/attachments/{number:int}",
}


class Shown(NamedTuple):
    """A page, as a user sees it who may have done something on it."""

    user: str
    """Empty for a visitor who is not signed in."""
    path: str
    do: Doing | None = None
    what: str = ""


def _press(name: str, **fields: str) -> Doing:
    """Return what fills in fields, by id, and presses a button."""

    async def do(tab: Page) -> None:
        for field, text in fields.items():
            if await tab.locator(f"#{field}").get_attribute("type") in ("radio", "checkbox"):
                await tab.locator(f"#{field}").set_checked(bool(text))
            else:
                await tab.locator(f"#{field}").fill(text)
        # What the browser would not submit is refused by the server, too, and that is a page.
        await tab.evaluate("for (const form of document.forms) form.noValidate = true")
        async with tab.expect_navigation():
            await tab.get_by_role("button", name=name, exact=True).first.click()

    return do


async def fill_console(site: Site) -> list[Shown]:
    """Put something on every page. Returns the pages."""
    office, life = site.office, site.office.life
    store, database = office.console.store, life.database
    letter = await add_dead_letter(office)
    await fill(office, ANN)
    await trouble(office, EVE, "unreachable", "connect", "no answer from the server")
    await database["accounts"].update_one(
        {"_id": life.boxes[BOB]},
        {"$set": {"state": "blocked", "reason": "app-password-needed", "provider": "gmail"}},
    )
    await life.do(("record", "R3", "contact", (LONG_ADDRESS,)))
    await life.crm["contacts"].update_one({"emails": LONG_ADDRESS}, {"$set": {"name": LONG, "company": LONG}})
    for name in ("rich", LONG):
        await put_rich(life, ANN, rich(name, LONG_ADDRESS, CARLA, ANN, cc=(LONG_ADDRESS,), thread="rich"))
    await store.accounts.save_aliases(life.boxes[ANN], {ALIAS}, by=ANN)
    shared = account(f"sales-{ANN}", owner=ANN)
    await store.accounts.add(shared)
    await store.membership.share(shared.id, [ANN, BOB], by=ANN)
    deleted = rich("gone", CARLA, ANN, thread="gone")
    await put_rich(life, ANN, deleted)
    await store.deleting.delete(deleted.key, by=ANN)

    box, boxes = f"/mailboxes/{life.boxes[ANN]}", life.boxes
    key, ref = rich(LONG, CARLA).key, life.refs["R3"]
    record = f"/records/{ref.kind}/{ref.id}"
    mail = f"/mail/{key}"
    dead = f"/operations/dead-letters/{quote(letter, safe='')}"
    opened = await office.link(ANN)
    table = f"address,owner,password,host\nsales@example.test,{BOB},x,127.0.0.1\n{LONG_ADDRESS},{ANN},,\n"
    gmail = _press("Find the servers", address="ann@gmail.com")
    return [
        Shown("", "/sign-in"),
        Shown("", "/sign-in", _press("Send link", address="nobody"), "wrong"),
        Shown("", "/sign-in", _press("Send link", address=LONG_ADDRESS), "sent"),
        Shown("", opened),
        Shown("", "/sign-in/ended"),
        Shown("", "/nothing"),
        *(Shown(user, "/mailboxes") for user in (ANN, BOB, EVE)),
        *(Shown(user, f"/mailboxes/{boxes[user]}") for user in (ANN, BOB, EVE)),
        Shown(ANN, "/mailboxes/connect"),
        *(Shown(ANN, f"/mailboxes/connect?service={one}") for one in ("gmail", "outlook", "gmx")),
        Shown(ANN, "/mailboxes/connect", _press("Find the servers", address="nobody"), "wrong"),
        Shown(ANN, "/mailboxes/connect", gmail, "servers"),
        Shown(ANN, f"{box}/messages"),
        Shown(ANN, f"{box}/sharing"),
        Shown(ANN, f"{box}/sharing", _press("Preview changes", **{"mode-private": "1"}), "preview"),
        Shown(ANN, f"{box}/sharing", _press("Preview changes", **{"mode-custom": "1", "domains": "com"}), "wrong"),
        Shown(ANN, f"{box}/password"),
        Shown(BOB, f"/mailboxes/{boxes[BOB]}/password"),
        Shown(BOB, f"/mailboxes/{boxes[BOB]}/password", _press("Test and save", password=""), "wrong"),
        Shown(ANN, f"{box}/sign-in"),
        Shown(ANN, f"{box}/login"),
        Shown(ANN, f"{box}/login", _press("Test and save", imap_host=""), "wrong"),
        Shown(ANN, f"{box}/folders"),
        Shown(ANN, f"{box}/addresses"),
        Shown(ANN, f"{box}/addresses", _press("Save", more="nobody"), "wrong"),
        Shown(ANN, f"{box}/remove"),
        Shown(ANN, f"{box}/members"),
        Shown(ANN, f"/mailboxes/{shared.id}/members"),
        Shown(ANN, f"/mailboxes/{shared.id}/members", _press("Add", more="nobody"), "wrong"),
        Shown(ANN, "/records"),
        Shown(ANN, "/records?q=long"),
        Shown(ANN, "/records?q=nobody"),
        Shown(ANN, record),
        Shown(ANN, f"{record}?q={LONG}"),
        Shown(ANN, "/mail"),
        Shown(ANN, "/mail?q=subject"),
        Shown(ANN, mail),
        Shown(ANN, f"{mail}?as=text"),
        Shown(ANN, f"{mail}?remote=1"),
        Shown(ANN, f"{mail}/why?record={ref.kind}:{ref.id}"),
        Shown(ANN, f"{mail}/delete"),
        Shown(ANN, "/operations"),
        Shown(ANN, "/operations/dead-letters"),
        Shown(ANN, dead),
        Shown(ANN, "/operations/users"),
        Shown(ANN, f"/operations/users/{quote(BOB)}"),
        Shown(ANN, "/operations/import"),
        Shown(ANN, "/operations/import", _press("Check the table", table="name"), "wrong"),
        Shown(ANN, "/operations/import", _press("Check the table", table=table), "rows"),
        Shown(ANN, "/operations/deleted"),
        Shown(ANN, "/operations/audit"),
        Shown(ANN, "/operations/audit?by=nobody"),
        Shown(ANN, "/operations/sharing"),
        Shown(ANN, "/operations/sharing", _press("Preview changes", domains="client.example"), "preview"),
        Shown(ANN, "/operations/sharing", _press("Preview changes", domains="com"), "wrong"),
        Shown(ANN, "/operations/sharing", _press("Open", domain="client.example"), "opening"),
    ]


def missing(shown: Iterable[Shown]) -> set[str]:
    """Return the pages of the console that are not among these."""
    paths = {one.path.partition("?")[0] for one in shown}
    wanted = {page.path for page in PAGES if page.get is not None} - _NO_PAGE
    patterns = {path: re.sub(r"\{[^}]+:path\}", ".+", path) for path in wanted}
    return {
        path
        for path, pattern in patterns.items()
        if not any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), one) for one in paths)
    }
