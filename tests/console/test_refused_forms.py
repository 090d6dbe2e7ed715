"""Every form with a wrong value: it comes again, with what was typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.console.app import PAGES
from tests.console.fixtures import ANN, BOB, EVE, Office

WRONG = "no such & thing"
ELSEWHERE = {
    "/sign-in",  # any address gets the same answer
    "/sign-in/{link}",
    "/sign-out",
    "/mailboxes/signed-in",  # ``test_mailbox_sign_in``
    "/mailboxes/{account}",  # buttons only, as below
    "/mailboxes/{account}/folders",
    "/mail/{email}/sharing",
    "/mail/{email}/delete",
    "/operations/dead-letters/{dead_letter:path}",
    "/operations/deleted",
    "/operations/users/import",  # a table: ``test_importing``
    "/operations/import",
}
WALKED = {
    "/mailboxes/connect": "/mailboxes/connect",
    "/mailboxes/{account}/sharing": "/mailboxes/{box}/sharing",
    "/mailboxes/{account}/password": "/mailboxes/{box}/password",
    "/mailboxes/{account}/login": "/mailboxes/{box}/login",
    "/mailboxes/{account}/addresses": "/mailboxes/{box}/addresses",
    "/mailboxes/{account}/members": "/mailboxes/{box}/members",
    "/mailboxes/{account}/remove": "/mailboxes/{box}/remove",
    "/operations/users/{user:path}": f"/operations/users/{EVE}",
    "/operations/sharing": "/operations/sharing",
    "/operations/sharing/domains": "/operations/sharing",
}
TYPED = {"text", "email", "url", "search", "tel"}


class Submission(NamedTuple):
    """A form, sent with one wrong value."""

    action: str
    wrong: str
    fields: dict[str, Any]
    kept: bool
    """Whether the wrong value has to be on the page that refuses it."""


def submissions(page: str) -> Iterator[Submission]:
    """Iterate over the forms of a page, by each of their buttons, with each field in turn wrong."""
    for form in LexborHTMLParser(page).css("main form[method=post]"):
        fields = [one for one in form.css("input, select, textarea") if one.attributes.get("type") != "hidden"]
        filled = {name: value for one in form.css("input, select") for name, value in _sent(one)}
        for button in form.css("button"):
            pressed = (
                {str(button.attributes.get("name")): button.attributes.get("value")}
                if "name" in button.attributes
                else {}
            )
            for field in fields:
                name = str(field.attributes["name"])
                typed = field.tag == "textarea" or (field.attributes.get("type") or "text") in TYPED
                yield Submission(
                    str(form.attributes["action"]),
                    name,
                    filled | pressed | {name: WRONG},
                    kept=field.tag != "select" and typed,
                )


def _sent(field: LexborNode) -> Iterator[tuple[str, str]]:
    given = field.attributes
    if field.tag == "select":
        chosen = field.css_first("option[selected]") or field.css_first("option")
        yield str(given["name"]), (chosen.attributes.get("value") or "") if chosen else ""
    elif given.get("type") not in ("radio", "checkbox") or "checked" in given:
        yield str(given["name"]), given.get("value") or ""


def test_every_form_is_walked() -> None:
    """Each page that takes a form is walked here, or says where else."""
    assert {page.path for page in PAGES if page.post} - set(WALKED) <= ELSEWHERE


@pytest.mark.parametrize("path", sorted(set(WALKED.values())))
async def test_a_refused_form_keeps_what_was_typed(office: Office, path: str) -> None:
    """No wrong value leads to a page with nothing but an error."""
    browser, page = await office.signed_in(ANN), path.format(box=office.life.boxes[ANN])
    await office.console.store.accounts.save_aliases(office.life.boxes[ANN], {"ann@else.example"}, by=ANN)
    found = list(submissions(await browser.shows(page)))
    assert found
    bare, refused = [], 0
    for one in found:
        answer = await browser.post(one.action, page=page, **one.fields)
        if answer.status_code < 400:
            continue
        refused += 1
        again = f'action="{one.action}"' in answer.text and 'role="alert"' in answer.text
        kept = not one.kept or f'value="{escape(WRONG)}"' in answer.text
        if not (again and kept):
            bare.append((one.action, one.wrong, one.fields.get("do"), answer.status_code, again, kept))
    assert bare == []
    assert refused
    assert await office.console.store.accounts.get_all(BOB)
