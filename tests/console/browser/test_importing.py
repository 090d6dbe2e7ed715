"""Connecting many mailboxes: the table is read from a file, and the page goes on by itself."""

from __future__ import annotations

from services.usecases.importing.importer import AT_ONCE
from tests.console.browser.site import Site
from tests.console.fixtures import ANN, BOB


async def test_a_table_from_a_file(site: Site) -> None:
    """One press connects all of them, a few at a time; the failures can be downloaded."""
    rows = [f"box{number}@example.test,{BOB},x,127.0.0.1:1" for number in range(AT_ONCE + 2)]
    table = "\n".join(["address,owner,password,host", *rows]).encode()
    tab = await site.signed_in(ANN)
    await tab.goto("/operations/import")
    await tab.set_input_files("#file", {"name": "mailboxes.csv", "mimeType": "text/csv", "buffer": table})
    await tab.wait_for_function("document.getElementById('table').value.includes('box6@')")
    await tab.get_by_role("button", name="Check the table").click()
    await tab.get_by_role("button", name="Connect 7 mailboxes").click()
    await tab.get_by_text("0 mailboxes connected, 7 failed").wait_for()
    async with tab.expect_download() as started:
        await tab.get_by_role("button", name="Download the failures").click()
    assert (await started.value).suggested_filename == "failures.csv"
