"""No page shows a user mail that they may not see: generated companies, checked on every page."""

from __future__ import annotations

import random
import re
from html import unescape

import pytest

from services.settings import ConsoleSettings
from tests.console.fixtures import Browser, Office, open_office, text_of
from tests.matcher.histories.company import Held, Line
from tests.matcher.histories.history import History, file_of
from tests.matcher.histories.steps import USERS
from tests.matcher.histories.steps import life as life_of

SEEDS, CHANGES = range(12), 4
_KEY = re.compile(r"/mail/(v1-[0-9a-f]{40})")
Granted = dict[Line, list[Held]]


class Viewer:
    """One user, and the mail that the reference model lets them see."""

    def __init__(self, office: Office, viewer: str, browser: Browser) -> None:
        self.life = office.life
        self.viewer = viewer
        self.browser = browser
        self.granted: Granted = self.life.paper.granting(viewer)
        self.mine = {letter for _, letter in self.granted}
        self.names = {content.key: name for name, content in self.life.written.items()}

    def shown(self, page: str) -> set[str]:
        """Return the mails that a page shows: by key, subject, snippet or text."""
        text = text_of(page)
        words = set(re.findall(r"(?:Subject|Snippet|Text) (\w+)", text))
        return {self.names[key] for key in _KEY.findall(page)} | (words & set(self.life.written))

    async def look(self) -> None:
        """Open every page that can show mail."""
        for label, ref in self.life.refs.items():
            path = f"/records/{ref.kind}/{ref.id}"
            answer = await self.browser.get(path)
            if label not in self.life.paper.records:
                assert answer.status_code == 404, f"{self.viewer}: {label} is deleted but has a page"
                continue
            expected = {letter for record, letter in self.granted if record == label}
            assert self.shown(answer.text) == expected, f"{self.viewer}, page of {label}"
            found = await self.browser.shows(f"{path}?q=text")
            assert self.shown(found) == expected, f"{self.viewer}, search on {label}"
        assert self.shown(await self.browser.shows("/mail?q=subject")) == self.mine, f"{self.viewer}, search"
        for name, content in self.life.written.items():
            await self._one(name, f"/mail/{content.key}")

    async def _one(self, name: str, path: str) -> None:
        record = next(iter(self.life.refs.values()))
        pages = {
            part: await self.browser.get(path + part)
            for part in ("", "?as=text", "/raw", "/attachments/1", "/html", f"/why?record={record}", "/delete")
        }
        where = f"{self.viewer}, {name}"
        if name not in self.mine:
            assert {part: one.status_code for part, one in pages.items()} == dict.fromkeys(pages, 404), where
            assert len({re.sub(r'value="[^"]*"', "", one.text) for one in pages.values()}) == 1, where
            return
        shown = pages[""].text
        assert shown
        assert self.shown(shown) <= self.mine, f"{where}: another mail on its page"
        copies = [copy for (_, letter), several in self.granted.items() if letter == name for copy in several]
        assert pages["/raw"].content in self.life.raw_forms(self.viewer, name, copies), where
        assert pages["/attachments/1"].content == file_of(name), where
        on = {ref for ref in self.life.refs if f"/{self.life.refs[ref].id}" in shown}
        assert on == {record for record, letter in self.granted if letter == name}, f"{where}: on {on}"
        self._copies(name, unescape(shown), where)

    def _copies(self, name: str, shown: str, where: str) -> None:
        """Check the holders (of copies that grant access) and Bcc (of the viewer's own copies)."""
        copies = [copy for (_, letter), several in self.granted.items() if letter == name for copy in several]
        boxes = self.life.paper.mailboxes
        own = {address for copy in copies if boxes[copy.mailbox].of(self.viewer) for address in copy.bcc}
        blind = re.search(r"<dt>Bcc</dt><dd>([^<]*)", shown)
        assert set(re.findall(r"[\w.-]+@[\w.-]+", blind[1] if blind else "")) == own, f"{where}: Bcc"
        told_of = [copy for copy in copies if self.life.paper.tells_of(self.viewer, copy)]
        held = shown.partition("<h3>Held by</h3>")[2].partition("</section>")[0]
        holding = [boxes[copy.mailbox] for copy in told_of]
        holders = {"you" if box.of(self.viewer) else box.name() for box in holding}
        assert set(re.findall(r"<li>(\S+)", held)) == holders, f"{where}: held by"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_pages_show_what_the_design_says(life: History, settings: ConsoleSettings, seed: int) -> None:
    """For any history of users, mailboxes, policies, records and mail, each page shows exactly what the rule allows."""
    rng = random.Random(seed)
    for step in life_of(seed, changes=CHANGES):
        await life.do(step)
    await life.do(("settle",))
    async with open_office(life, settings, None) as office:
        working = [user for user in USERS if user in life.paper.users and user not in life.paper.disabled]
        for viewer in rng.sample(working, 2):
            await Viewer(office, viewer, await office.signed_in(viewer)).look()
