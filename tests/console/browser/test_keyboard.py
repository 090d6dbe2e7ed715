"""The console without a mouse; and the frame of a mail, which is as high as the mail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.browser.site import PHONE, Site
from tests.console.fixtures import ANN, CARLA
from tests.console.test_trouble_and_balance import fill
from tests.matcher.fixtures import mail

_REACHABLE = """() => {
  const chosen = one => one.type !== "radio" || one.checked ||
    !document.querySelector(`input[name="${one.name}"]:checked`) &&
    one === document.querySelector(`input[name="${one.name}"]`);
  // Asked again each time: parts of a page are refreshed.
  window.reachable = () => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [tabindex='0']"
  )].filter(one => !one.disabled && one.checkVisibility() && chosen(one));
  return window.reachable().length;
}"""
"""Number what the Tab key has to reach, in the order of the page: of radio buttons one."""
_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    number: window.reachable().indexOf(one), html: one.outerHTML.slice(0, 120),
    marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.height >= 8 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


async def until(tab: Page, condition: str) -> None:
    """Wait until an expression is true. Playwright's own way needs eval on the page, which our policy forbids."""
    async with asyncio.timeout(60):
        while not await tab.evaluate(condition):  # noqa: ASYNC110 - the browser is another process
            await asyncio.sleep(0.05)


async def _tab_through(tab: Page) -> list[dict[str, Any]]:
    """Press Tab until everything had the focus; returns what had it."""
    focused = []
    # Where a page puts the focus into a field, people go on from there; here all of it is wanted.
    await tab.evaluate("document.activeElement.blur(); getSelection().setPosition(document.body, 0)")
    for _ in range(await tab.evaluate(_REACHABLE)):
        await tab.keyboard.press("Tab")
        focused.append(await tab.evaluate(_FOCUS))
    return focused


@pytest.mark.timeout(600)
async def test_everything_is_reached_by_keyboard(site: Site) -> None:
    """In the order of the page, with the focus in sight: links, buttons, fields and what scrolls. The skip link skips."""
    await fill(site.office, ANN)
    box, ref = site.office.life.boxes[ANN], site.office.life.refs["R1"]
    tab = await site.signed_in(ANN, viewport=PHONE)
    for path in (
        f"/mailboxes/{box}",
        f"/mailboxes/{box}/messages",
        f"/mailboxes/{box}/sharing",
        "/mailboxes/connect",
        f"/records/{ref.kind}/{ref.id}",
        f"/mail/{site.office.life.written['shared'].key}",
        "/operations",
        "/operations/audit",
    ):
        await tab.goto(path)
        focused = await _tab_through(tab)
        assert [one["number"] for one in focused] == list(range(len(focused))), (path, focused)
        assert [one["html"] for one in focused if not (one["marked"] and one["seen"])] == [], path

    await tab.goto(f"/mailboxes/{box}/messages")
    await tab.keyboard.press("Tab")
    await expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    await tab.keyboard.press("Enter")
    await tab.keyboard.press("Tab")
    await expect(tab.locator("main a").first).to_be_focused()
    table = tab.get_by_role("region", name="Table of folders")
    await table.focus()
    await tab.keyboard.press("ArrowRight")
    await until(tab, "document.querySelector('.scroll').scrollLeft > 0")


async def test_working_by_keyboard(site: Site) -> None:
    """A user opens a page, types, chooses and sends forms without touching the mouse."""
    tab = await site.signed_in(ANN, f"/mailboxes/{site.office.life.boxes[ANN]}")
    change = tab.get_by_role("region", name="Who can see this mail").get_by_role("link", name="Change")
    while not await change.evaluate("one => one === document.activeElement"):
        await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await tab.wait_for_url("**/sharing")
    public = tab.get_by_role("radio", name="public")
    while not await public.evaluate("one => one === document.activeElement"):
        await tab.keyboard.press("Tab")
    await tab.keyboard.press("ArrowDown")
    await tab.keyboard.press("Tab")
    await tab.keyboard.type("client.example")
    await tab.keyboard.press("Enter")
    await expect(tab.get_by_role("status")).to_contain_text("2 emails would be hidden")
    await tab.get_by_role("button", name="Share as").focus()
    await tab.keyboard.press("Space")
    await expect(tab.get_by_role("status").first).to_contain_text("The sharing settings are saved")


async def test_the_frame_of_a_mail_is_as_high_as_the_mail(site: Site) -> None:
    """A short mail leaves no gap, a long one needs no second scroll bar."""
    heights = []
    for name, lines in (("short", 1), ("long", 80)):
        written = mail(name, CARLA, ANN, html="<p>a line</p>" * lines)
        await site.office.life.match(
            await site.office.life.copy(site.office.life.accounts[site.office.life.boxes[ANN]], written)
        )
        tab = await site.signed_in(ANN, f"/mail/{written.key}")
        frame = tab.locator("iframe")
        await expect(frame).to_be_visible()
        if not await tab.evaluate("CSS.supports('frame-sizing', 'content-block-size')"):
            pytest.skip("this browser cannot do that")
        if lines > 1:
            await until(tab, "document.querySelector('iframe').clientHeight > 1200")
        heights.append(await frame.evaluate("one => one.clientHeight"))
    assert heights[0] < 300
