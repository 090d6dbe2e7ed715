"""Every form with a wrong value: it comes again, with what was typed and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.console.app import PAGES
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.console.fixtures import ANN, BOB, EVE, Office, text_of
from tests.console.test_mailboxes import form_of

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
FILLED = {f"/operations/users/{EVE}": {"confirm": EVE, "fate": "transfer", "heir": BOB}}
"""What a page's own values do not say."""
TYPED = {"text", "email", "url", "search", "tel"}


class Submission(NamedTuple):
    """A form, sent with one wrong value."""

    action: str
    wrong: str
    fields: dict[str, Any]
    typed: frozenset[str]
    """The fields whose values have to be on the page that refuses them."""

    def lost(self, answer: str) -> list[str]:
        """Return what the page that refuses it lacks."""
        wanted = {
            "the form": f'action="{self.action}"',
            "what is wrong": 'role="alert"',
            **{name: f'value="{escape(self.fields[name])}"' for name in self.typed if self.fields.get(name)},
        }
        return [name for name, markup in wanted.items() if markup not in answer]


def submissions(page: str, filled_in: Mapping[str, str] = MappingProxyType({})) -> Iterator[Submission]:
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
            names = {str(field.attributes["name"]) for field in fields}
            sent = {**filled, **{name: value for name, value in filled_in.items() if name in names}, **pressed}
            typed = {str(field.attributes["name"]) for field in fields if _is_typed(field)}
            for name in names:
                yield Submission(str(form.attributes["action"]), name, sent | {name: WRONG}, frozenset(typed))


def _is_typed(field: LexborNode) -> bool:
    return field.tag == "textarea" or (field.tag == "input" and (field.attributes.get("type") or "text") in TYPED)


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
    found = list(submissions(await browser.shows(page), FILLED.get(path, {})))
    assert found
    bare, refused = [], 0
    for one in found:
        answer = await browser.post(one.action, page=page, **one.fields)
        if answer.status_code < 400:
            continue
        refused += 1
        if lost := one.lost(answer.text):
            bare.append((one.action, one.wrong, one.fields.get("do"), answer.status_code, lost))
    assert bare == []
    assert refused
    assert await office.console.store.accounts.get_all(BOB)


@pytest.mark.parametrize("why", ["is the address of a user", "is connected already"])
async def test_a_mailbox_that_is_refused_after_its_login_keeps_what_was_typed(
    office: Office, servers: LocalServers, new_mail_user: Callable[..., MailUser], why: str
) -> None:
    """As do the wrong values of the same form."""
    box, path = new_mail_user("ann"), "/mailboxes/connect"
    typed = form_of(box, servers, domains="law.example")
    if why == "is the address of a user":
        await office.console.store.users.add(box.address)
        typed |= {"shared": "1", "members": EVE}
    else:
        bob = await office.signed_in(BOB)
        await bob.follow(await bob.post(path, page=path, **typed))
    ann = await office.signed_in(ANN)
    page = (await ann.post(path, page=path, do="find", address=box.address)).text
    found = list(submissions(page, typed))
    refused = await ann.post(path, **typed)
    assert (refused.status_code < 500, why in text_of(refused.text)) == (True, True), text_of(refused.text)
    assert found[0]._replace(fields=typed).lost(refused.text) == []
    for one in found:
        answer = await ann.post(path, **one.fields)
        assert answer.status_code >= 400, one.wrong
        assert one.lost(answer.text) == [], (one.wrong, text_of(answer.text))
