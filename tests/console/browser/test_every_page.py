"""Every page of the console: on a desk and on a phone, light and dark, for people who cannot see it and by keyboard."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Page

from tests.console.browser.pages import fill_console, missing
from tests.console.browser.site import DESK, PHONE, Site

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
_RUN = """async options => (await axe.run(document, options)).violations.flatMap(one => one.nodes.map(
  node => `${one.id} (${one.impact}): ${node.html.slice(0, 150)} ${(node.failureSummary || "").slice(0, 200)}`))"""
_WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > wide + 0.5 && !one.closest(".scroll, .hidden, iframe"))
    .map(one => one.outerHTML.slice(0, 120)).slice(0, 3).concat(
      document.documentElement.scrollWidth > wide ? [`${document.documentElement.scrollWidth} px wide`] : []);
}"""
"""What is wider than the window, but for what scrolls by itself."""


async def _findings(tab: Page, *rules: str) -> list[str]:
    """Return what axe finds, whatever its weight: of all its rules, or of some."""
    if not await tab.evaluate("'axe' in window"):
        await tab.evaluate(_AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found: list[str] = await tab.evaluate(_RUN, options)
    return found


async def _faults_of(tab: Page) -> list[str]:
    faults = await _findings(tab)
    light = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    await tab.emulate_media(color_scheme="dark")
    dark = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    faults += [] if light != dark else ["dark as light"]
    faults += [f"dark: {one}" for one in await _findings(tab, "color-contrast", "link-in-text-block")]
    await tab.emulate_media(color_scheme="light")
    await tab.set_viewport_size(PHONE)  # type: ignore[arg-type]
    faults += [f"phone: {one}" for one in await tab.evaluate(_WIDER)]
    faults += [f"phone: {one}" for one in await _findings(tab, "scrollable-region-focusable", "target-size")]
    await tab.set_viewport_size(DESK)  # type: ignore[arg-type]
    return faults


@pytest.mark.timeout(1200)
async def test_every_page(site: Site) -> None:
    """There is no finding of axe, of any weight, light or dark; nothing scrolls sideways on a phone, but for tables."""
    pages = await fill_console(site)
    assert missing(pages) == set()
    users = {one.user for one in pages}
    tabs = {user: await (site.signed_in(user) if user else site.open("/sign-in")) for user in users}
    faults: dict[str, list[str]] = {}
    for one in pages:
        tab = tabs[one.user]
        await tab.goto(one.path)
        if one.do:
            await one.do(tab)
        found = await _faults_of(tab)
        if "Something went wrong" in await tab.title():
            found.append("it failed: nothing of it was looked at")
        if found:
            faults[f"{one.user} {one.path} {one.what}"] = found
    assert not faults, "\n".join(f"{page}\n    " + "\n    ".join(found) for page, found in faults.items())
