"""Record pages, mail and search as different users see them; hostile mail; downloads."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from bson import ObjectId

from schemas.identity import failure_id
from services.console.app import PAGES
from services.console.web.forms import local_path
from services.matcher.sweepers import sweep_pending_work
from services.settings import ConsoleSettings
from services.store import NewRecord
from tests.console.fixtures import ANN, BOB, CARLA, EVE, PIXEL, ZOE, Office, put_rich, rich, text_of
from tests.factories import sent_before
from tests.matcher.fixtures import mail, raw_of
from tests.matcher.histories.history import file_of


def record(office: Office, label: str = "R1") -> str:
    """Return the path of a record page."""
    ref = office.life.refs[label]
    return f"/records/{ref.kind}/{ref.id}"


def email(office: Office, name: str) -> str:
    """Return the path of a mail."""
    return f"/mail/{office.life.written[name].key}"


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        (ANN, {"shared", "answer", "blind"}),
        (BOB, {"shared", "answer", "secret"}),
        (EVE, {"shared", "answer"}),
        (ZOE, {"shared", "answer"}),
    ],
)
async def test_the_record_page(office: Office, viewer: str, seen: set[str]) -> None:
    """Users see their own mail and shared mail, newest first, with its holders; other mail does not appear."""
    browser = await office.signed_in(viewer)
    page = await browser.shows(record(office))
    assert set(re.findall(r">Subject (\w+)</a>", page)) == seen
    assert "Carla Rossi" in page
    assert "Client &amp; Co" in page
    moments = re.findall(r'<time datetime="([^"]+)"', page)
    assert moments == sorted(moments, reverse=True)
    for name in office.life.written:
        status = 200 if name in seen or (name, viewer) == ("partner", EVE) else 404
        assert (await browser.get(email(office, name))).status_code == status


@pytest.mark.parametrize("part", ["", "/html", "/raw", "/attachments/1", "/delete", "/why?record=contact:{record}"])
async def test_what_may_not_be_seen_is_not_there(office: Office, part: str) -> None:
    """Every URL of a mail gives the same response for another user's mail as for one that does not exist."""
    browser = await office.signed_in(EVE)
    part = part.replace("{record}", office.life.refs["R1"].id)
    key = office.life.written["secret"].key
    hidden = await browser.get(f"/mail/{key}{part}")
    absent = await browser.get(f"/mail/v1-{'0' * 40}{part}")
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.text == absent.text
    assert "secret" not in hidden.text
    if part == "/delete":
        assert (await browser.post(f"/mail/{key}/delete", page="/records")).status_code == 404
        assert await office.console.store.emails.existing([key])


async def test_a_mail_that_bounced_is_marked(office: Office) -> None:
    """The bounce says why, and the mail that it is about says that it was not delivered, in lists and by itself."""
    bounced, bounce = (office.life.written[name] for name in ("shared", "answer"))
    marks = {"bounce": True, "bounced": ["gone@client.example"], "bounce_kind": "hard", "bounce_status": "5.1.1"}
    change = {"$set": {"marks": {**marks, "bounce_reason": "<b>unknown", "bounced_id": bounced.message_id}}}
    await office.life.database["emails"].update_one({"_id": bounce.key}, change)
    assert bounced.message_id is not None
    ids = {"$addToSet": {"ids": failure_id(bounced.message_id)}}
    await office.life.database["links"].update_many({"email": bounce.key}, ids)
    browser = await office.signed_in(ANN)
    page = await browser.shows(record(office))
    assert page.count("Bounce: mail to gone@client.example cannot be delivered (5.1.1)") == 1
    assert page.count(f'<a href="/mail/{bounce.key}">not delivered to gone@client.example</a>') == 1
    assert "Not delivered</a> to gone@client.example (5.1.1)" in await browser.shows(email(office, "shared"))
    assert "&lt;b&gt;unknown" in await browser.shows(email(office, "answer"))


async def test_what_is_wrong_with_a_copy_is_told_to_its_owner(office: Office) -> None:
    """In words, beside what else the owner can do with the copy; that something was cut off is told to everybody."""
    key, ledger = office.life.written["shared"].key, office.life.database["ledger"]
    (of_ann,) = [one.id for one in await office.console.store.accounts.get_all(ANN)]
    defects = {"$set": {"defects": ["address:cc", "charset:<b>"]}}
    assert (await ledger.update_many({"email": key, "account": of_ann}, defects)).matched_count == 1
    await office.life.database["emails"].update_one({"_id": key}, {"$set": {"marks.truncated": True}})
    pages = {who: await (await office.signed_in(who)).shows(email(office, "shared")) for who in (ANN, BOB, EVE)}
    assert "an address in the field cc cannot be read" in pages[ANN]
    assert "names (&lt;b&gt;)" in pages[ANN]
    for page in pages.values():
        assert "something was cut off" in page
    for who in (BOB, EVE):
        assert "address in the field" not in pages[who]


async def test_finding(office: Office) -> None:
    """A record is found by name, company or the start of an address; the page says when nothing matches."""
    browser = await office.signed_in(ZOE)
    for asked in ("rossi", "CLIENT", "carla@cl", "car ros", "client & co"):
        assert record(office) in await browser.shows(f"/records?q={asked.replace('&', '%26')}"), asked
    for asked in ("nobody", ".*", "carla paul", "%00"):
        assert "No lead or contact matches" in await browser.shows(f"/records?q={asked}") or asked == "%00"


async def test_records_restricted_by_the_crm(office: Office) -> None:
    """If the CRM lists a record's readers, other users cannot find it, and its page does not exist for them."""
    readers = office.console.store.reading._guard._rights
    object.__setattr__(readers._config, "readers_field", "readers")
    await office.life.crm["contacts"].update_one({}, {"$set": {"readers": [ANN]}})
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    assert "Subject shared" in await ann.shows(record(office))
    assert record(office) not in await eve.shows("/records?q=carla")
    hidden, absent = await eve.get(record(office)), await eve.get("/records/contact/000000000000000000000000")
    assert (hidden.status_code, hidden.text) == (404, absent.text)
    assert (await eve.get(email(office, "shared"))).status_code == 404


async def test_suggestions_tell_nothing_of_records_that_the_crm_hides(office: Office) -> None:
    """An address is offered on a record page, and as one's own, to those who may not read its record, as if it had none."""
    store, jo, old = office.console.store, "jo@new.example", "ann@old.example"
    object.__setattr__(store.reading._guard._rights._config, "readers_field", "readers")
    keys = {name: office.life.written[name].key for name in ("shared", "answer")}
    found = {"matches.0.role": "thread", "vouchers": [{"owner": ANN, "address": CARLA}]}
    await office.life.database["links"].update_one({"email": keys["shared"]}, {"$set": found})
    for name, sender in (("shared", jo), ("answer", old)):
        change = {"$set": {"participants.0.address": sender}}
        await office.life.database["emails"].update_one({"_id": keys[name]}, change)
    await sent_before(store, keys["shared"], mail("sent", ANN, CARLA), like=keys["answer"], by=ANN)
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    addresses = f"/mailboxes/{office.life.boxes[ANN]}/addresses"
    for readers in (None, {jo: ANN, old: EVE}, {old: ANN}):
        for address, reader in (readers or {}).items():
            made = await store.records.add("lead", NewRecord((address,)))
            lead = {"_id": ObjectId(made.ref.id)}
            await office.life.crm["leads"].update_one(lead, {"$set": {"readers": [reader]}})
            await store.record_addresses.put_many([made])
        offered = f"<strong>{jo}</strong>"
        assert offered in await eve.shows(record(office))
        assert (offered in await ann.shows(record(office))) is (readers is None)
        assert (old in await ann.shows(addresses)) is (readers != {old: ANN})


async def test_searching(office: Office) -> None:
    """A search finds only what the viewer may see, across all records or on one."""
    bob, eve = await office.signed_in(BOB), await office.signed_in(EVE)
    assert "Subject secret" in await bob.shows("/mail?q=secret")
    for path in ("/mail?q=secret", f"{record(office)}?q=secret"):
        page = await eve.shows(path)
        assert "No email that you can see" in page
        assert "Subject secret" not in page
    assert "Subject shared" in await eve.shows(f"{record(office)}?q=text+shared")
    assert "Subject partner" not in await eve.shows(f"{record(office)}?q=partner")
    many = await eve.get("/mail?q=" + "+".join(map(str, range(30))))
    assert (many.status_code, "too many words" in many.text) == (400, True)


async def test_a_search_that_is_cut_short_says_so_and_continues(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says how far the search got. Following its link to the end finds what one search would find."""
    monkeypatch.setattr("services.store.readers.email_search.MOST_READ", 1)
    monkeypatch.setattr("services.store.readers.email_search._BATCH", 1)
    browser = await office.signed_in(ANN)
    for start in (f"{record(office)}?q=blind", "/mail?q=blind"):
        path, seen, steps = start, list[str](), 0
        while path:
            page = await browser.shows(path)
            seen += re.findall(r">Subject (\w+)</a>", page)
            older = re.search(r'rel="next" href="([^"]+)"', page)
            assert ("Older mail was not searched" in page) is (older is not None)
            assert older is None or "No email that you can see" not in page
            path, steps = older[1].replace("&amp;", "&") if older else "", steps + 1
        assert seen == ["blind"]
        assert steps > 1
    assert (await browser.get("/mail?q=blind&before=x")).status_code == 400


async def test_paging(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paging shows each mail once; a thread can be selected; an invalid cursor is refused."""
    monkeypatch.setattr("services.console.pages.records.PER_PAGE", 1)
    browser, seen, path = await office.signed_in(ANN), [], record(office)
    while path:
        page = await browser.shows(path)
        seen += re.findall(r">Subject (\w+)</a>", page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert sorted(seen) == ["answer", "blind", "shared"]
    for wrong in ("x", "1~", "99999999999999999999~x", "-~"):
        answer = await browser.get(f"{record(office)}?before={wrong}")
        assert answer.status_code in (200, 400)
    assert "page failed" not in office.log.getvalue()
    monkeypatch.setattr("services.console.pages.records.PER_PAGE", 50)
    thread = office.life.written["shared"].thread.replace(" ", "%20")
    page = await browser.shows(f"{record(office)}?thread={thread}")
    assert set(re.findall(r">Subject (\w+)</a>", page)) == {"shared", "answer"}


async def test_an_email(office: Office) -> None:
    """The page shows participants, records, thread, attachments and raw mail; Bcc only to the copy's owner."""
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    page = text_of(await eve.shows(email(office, "shared")))
    for expected in (
        f"From {CARLA}",
        f"To {ANN}",
        "Carla Rossi contact",
        f"held by {ANN}".replace("held by", "Held by"),
    ):
        assert expected in page
    assert "Text shared" in page
    assert "Subject answer" in page, "its thread"
    assert f"Bcc {CARLA} (only you see this)" in text_of(await ann.shows(email(office, "blind")))
    raw = await eve.get(f"{email(office, 'shared')}/raw")
    assert raw.content == raw_of("shared"), "without what tells of Ann's copy"
    assert (await ann.get(f"{email(office, 'shared')}/raw")).content == raw_of("shared", ANN)
    file = await eve.get(f"{email(office, 'shared')}/attachments/1")
    assert file.content == file_of("shared")
    assert (await eve.get(f"{email(office, 'shared')}/attachments/2")).status_code == 404
    assert (await eve.get(f"{email(office, 'shared')}/attachments/0")).status_code == 404


async def test_hostile_html(office: Office) -> None:
    """Hostile HTML runs nothing, loads nothing remote, and sits in a sandbox without an origin; inline images work."""
    await put_rich(office.life, ANN, rich("rich", CARLA, ANN, thread="rich"))
    browser = await office.signed_in(EVE)
    key = rich("rich", CARLA, ANN).key
    page = await browser.shows(f"/mail/{key}")
    assert f'sandbox="allow-popups allow-popups-to-escape-sandbox" src="/mail/{key}/html"' in page
    assert "allow-scripts" not in page
    assert "allow-same-origin" not in page
    html = await browser.get(f"/mail/{key}/html")
    policy = html.headers["content-security-policy"]
    for part in ("default-src 'none'", "img-src data:;", "sandbox allow-popups", "form-action 'none'"):
        assert part in policy
    assert "script-src" not in policy
    for gone in ("alert", "evil", "track.example", "<form", "<iframe", "javascript:", "position", "url("):
        assert gone not in html.text.partition("<body>")[2]
    assert "color:red" in html.text.replace(" ", "")
    assert "data:image/png;base64,iVBORw0KGgogcGl4ZWw=" in html.text
    assert PIXEL.endswith(b"pixel")
    assert 'href="https://ok.example/"' in html.text
    assert "Dear Ann" in html.text


async def test_remote_images(office: Office) -> None:
    """They load when the user asks on our page, not when the user follows a link from another site."""
    await put_rich(office.life, ANN, rich("rich", CARLA, ANN, thread="rich"))
    browser = await office.signed_in(EVE)
    path = f"/mail/{rich('rich', CARLA, ANN).key}"
    assert f'src="{path}/html?remote=1"' in await browser.shows(f"{path}?remote=1")
    asked = await browser.get(f"{path}/html?remote=1", sec_fetch_site="same-origin")
    assert "https://track.example/pixel.png" in asked.text
    assert "img-src data: https:;" in asked.headers["content-security-policy"]
    tricked = await browser.get(f"{path}/html?remote=1", sec_fetch_site="cross-site")
    assert "track.example" not in tricked.text
    assert "https:;" not in tricked.headers["content-security-policy"]


async def test_files_are_downloads(office: Office) -> None:
    """Whatever type and name a mail gives its attachment, a browser saves it under a safe name and runs nothing."""
    await put_rich(office.life, ANN, rich("rich", CARLA, ANN, thread="rich"))
    browser = await office.signed_in(EVE)
    answer = await browser.get(f"/mail/{rich('rich', CARLA, ANN).key}/attachments/1")
    assert answer.content == b"<script>of rich</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"_ev il.html\"; filename*=UTF-8''%22ev%20il.html"
    for download in (answer, await browser.get(f"{email(office, 'shared')}/raw")):
        assert download.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in download.headers["content-security-policy"]
        assert download.headers["cache-control"] == "no-store"


async def test_why(office: Office) -> None:
    """Users get explanations about themselves, administrators about anyone (which is audited), and no one else does."""
    ann, eve, bob = [await office.signed_in(one) for one in (ANN, EVE, BOB)]
    asked = f"/why?record=contact:{office.life.refs['R1'].id}"
    page = text_of(await eve.shows(email(office, "shared") + asked))
    assert "You see this email on Carla Rossi" in page
    assert f"{ANN} public from {CARLA} shared" in page
    assert "holds it" in text_of(await bob.shows(email(office, "secret") + asked))
    assert (await eve.get(f"{email(office, 'shared')}{asked}&viewer={BOB}")).status_code == 404
    answer = text_of(await ann.shows(f"{email(office, 'secret')}{asked}&viewer={EVE}"))
    assert f"{EVE} does not see" in answer
    assert "not shared: the account is private" in answer
    (entry,) = await office.console.store.audit.newest(action="explain")
    assert (entry.by, entry.details["viewer"]) == (ANN, EVE)
    gone = text_of(await ann.shows(f"/mail/v1-{'0' * 40}{asked}"))
    assert "There is no such email" in gone
    assert (await ann.get(f"{email(office, 'shared')}/why?record=elephant:1")).status_code == 404


async def test_deleting(office: Office) -> None:
    """A holder or an administrator deletes it for everyone after confirming; a user who only sees it may not."""
    eve, bob, ann = [await office.signed_in(one) for one in (EVE, BOB, ANN)]
    shared, secret = email(office, "shared"), email(office, "secret")
    assert f"{shared}/delete" not in await eve.shows(shared)
    refused = await eve.post(f"{shared}/delete", page="/mailboxes/connect")
    assert (refused.status_code, "holder of its only copies" in refused.text) == (403, True)
    assert (await eve.get(f"{shared}/delete")).status_code == 403
    assert "can restore it within 14 days" in await bob.shows(f"{secret}/delete")
    assert "deleted" in await bob.follow(await bob.post(f"{secret}/delete"))
    assert (await bob.get(secret)).status_code == 404
    await ann.post(f"{shared}/delete", page=f"{shared}/delete")
    assert "Subject shared" not in await eve.shows(record(office))
    assert {entry.by for entry in await office.console.store.audit.newest(action="email.delete")} == {BOB, ANN}


async def test_administrators_restore_deleted_emails(office: Office) -> None:
    """The page lists what Bob deleted without its subject. For other users the page does not exist."""
    eve, bob, ann = [await office.signed_in(one) for one in (EVE, BOB, ANN)]
    secret = email(office, "secret")
    await bob.post(f"{secret}/delete", page=f"{secret}/delete")
    assert (await bob.get("/operations/deleted")).status_code == 404
    key = secret.removeprefix("/mail/")
    assert (await bob.post("/operations/deleted", page="/mailboxes/connect", email=key)).status_code == 404
    page = await ann.shows("/operations/deleted")
    assert key in page
    assert BOB in page
    assert "Subject secret" not in page
    assert "is restored" in await ann.follow(await ann.post("/operations/deleted", email=key))
    assert (await ann.post("/operations/deleted", email=key)).status_code == 404
    await sweep_pending_work(store=office.life.store, summaries=office.life.summaries, overdue=timedelta(seconds=-1))
    assert "Subject secret" in await bob.shows(secret)
    assert (await ann.get(secret)).status_code == 404
    assert (await eve.get(secret)).status_code == 404


async def test_keep_private_and_share_again(office: Office) -> None:
    """The holder keeps an email or its thread private on its page, and takes that back. Others have no such button."""
    eve, bob, ann = [await office.signed_in(one) for one in (EVE, BOB, ANN)]
    shared, answer = email(office, "shared"), email(office, "answer")
    assert f"{shared}/sharing" not in await eve.shows(shared)
    refused = await eve.post(f"{shared}/sharing", page="/mailboxes/connect", what="email", do="private")
    assert (refused.status_code, "holds a copy" in refused.text) == (403, True)
    assert (
        await bob.post(f"{email(office, 'partner')}/sharing", page="/mailboxes/connect", do="private")
    ).status_code == 404
    assert "Keep this email private" in await ann.shows(shared)
    kept = await ann.follow(await ann.post(f"{shared}/sharing", page=shared, what="email", do="private"))
    assert "You keep this email private" in kept
    assert (await eve.get(shared)).status_code == 404
    assert "Subject answer" in await eve.shows(record(office))
    await ann.post(f"{shared}/sharing", page=shared, what="email", do="share")
    assert "Subject shared" in await eve.shows(shared)
    kept = await ann.follow(await ann.post(f"{answer}/sharing", page=answer, what="thread", do="private"))
    assert "You keep this thread, with mail to come that names one of its emails, private" in kept
    assert (await eve.get(answer)).status_code == 404
    await ann.post(f"{answer}/sharing", page=answer, what="thread", do="share")
    assert "Subject answer" in await eve.shows(answer)
    assert (await ann.post(f"{shared}/sharing", page=shared, what="email", do="else")).status_code == 400


async def test_mail_content_is_escaped(office: Office) -> None:
    """Subjects and names are plain text: no markup, no line breaks, no bidirectional override characters."""
    subject = "<script>alert(1)</script>\u202e\x1b[31m{{ 7 * 7 }}"
    await office.life.database["emails"].update_one(
        {"_id": office.life.written["shared"].key}, {"$set": {"subject": subject, "text": "a\n<b>b</b>\x00\u202ec"}}
    )
    browser = await office.signed_in(EVE)
    for path in (record(office), email(office, "shared"), "/mail?q=alert"):
        page = await browser.shows(path)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert not set("\u202e\x1b\x00") & set(page)
        assert "{{ 7 * 7 }}" in page
    assert "a\n&lt;b&gt;b&lt;/b&gt;c" in await browser.shows(email(office, "shared"))


async def test_headers_on_every_page(office: Office) -> None:
    """No response is cached, framed, sniffed or loads remote content, and no page has an inline script or style."""
    ann = await office.signed_in(ANN)
    parts = {
        "account": office.life.boxes[ANN],
        "kind": "contact",
        "record:path": office.life.refs["R1"].id,
        "email": office.life.written["shared"].key,
        "number:int": "1",
        "dead_letter:path": "x/y",
        "user:path": ANN,
        "link": "z",
        "service": "google",
    }
    paths = [re.sub(r"\{([^}]+)\}", lambda match: parts[match[1]], page.path) for page in PAGES]
    for path in [*paths, "/nothing", "/static/nothing", "/sign-in/"]:
        for browser in (ann, office.browser()):
            answer = await browser.get(path)
            assert answer.status_code < 500, (path, answer.text)
            _check_headers(path, answer)


def _check_headers(path: str, answer: httpx.Response) -> None:
    headers = answer.headers
    assert headers["cache-control"] == "no-store", path
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, path
    assert "frame-ancestors" in policy
    if path.endswith("/html"):
        return
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert not re.search(r"<script(?! src=\"/static/)|<style| style=| on\w+=", answer.text), path
    for address in re.findall(r'(?:src|href)="(https?://[^"]+)"', answer.text):
        assert "<link" not in address


async def test_in_a_frame_of_the_crm(office: Office, settings: ConsoleSettings) -> None:
    """If the operator lists the CRM, it may frame record pages and mails, without our header, and nothing else."""
    framed = settings.model_copy(update={"console_frames": ("https://crm.example",)})
    object.__setattr__(office.console, "settings", framed)
    browser = await office.signed_in(EVE)
    for path in (record(office), email(office, "shared")):
        answer = await browser.get(path, sec_fetch_dest="iframe")
        assert "frame-ancestors 'self' https://crm.example" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers
        assert "Sign out" not in answer.text
    for path in ("/mailboxes", f"{email(office, 'shared')}/delete", "/sign-in"):
        assert "frame-ancestors 'none'" in (await browser.get(path)).headers["content-security-policy"]
    stranger = await office.browser().get(record(office), sec_fetch_dest="iframe")
    assert stranger.status_code == 401
    assert 'href="https://console.test/sign-in" target="_blank"' in stranger.text


async def test_static_files(office: Office) -> None:
    """Static files may be cached for ever, because their URL changes with their content."""
    page = await office.browser().shows("/sign-in")
    for name in ("console.css", "console.js", "icon.svg"):
        (address,) = set(re.findall(rf'"(/static/{re.escape(name)}\?v=[0-9a-f]{{12}})"', page))
        answer = await office.browser().get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await office.browser().get("/static/..%2fapp.py")).status_code == 404


def test_local_paths() -> None:
    """Only paths on this site are followed."""
    assert local_path("/records?q=a%20b") == "/records?q=a%20b"
    for wrong in ("", "x", "//x", "/\\x", "https://x", "/a\nb", "/a\\b"):
        assert local_path(wrong) == "/"


async def test_a_viewer_of_a_shared_copy_learns_nothing_of_a_private_one(office: Office) -> None:
    """Copies of one mail that name other recipients, or carry other tokens: no page and no download mixes them."""
    shared = (
        f"From: {CARLA}\r\nTo: {ANN}\r\nSubject: Plan\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        "Message-ID: <plan@client.example>\r\nList-Unsubscribe: <https://list.example/ann>\r\n\r\nDear reader\r\n"
    )
    secrets = ("bob@home.example", "token-7f3a", "list.example")
    traces = f"X-Resolved-To: {secrets[0]}\r\n" + shared.replace("list.example/ann", f"list.example/{secrets[1]}")
    other = traces.replace(f"To: {ANN}\r", f"To: {secrets[0]}\r")
    life = office.life
    ann, bob = (life.accounts[life.boxes[box]] for box in (ANN, BOB))
    for account, raw in ((bob, other), (bob, traces), (ann, shared)):
        await life.deliver(account, raw.encode())
    eve = await office.signed_in(EVE)
    pages = [await eve.shows(record(office)), await eve.shows("/mail?q=Plan")]
    (path,) = set(re.findall(r'href="(/mail/v2-[0-9a-f]{40})"', "".join(pages)))
    pages += [await eve.shows(path + part) for part in ("", "?as=text", "/raw")]
    pages.append(await eve.shows(f"{path}/why?record={life.refs['R1']}"))
    assert all("Plan" in page for page in pages[:5])
    assert [secret for secret in secrets for page in pages if secret in page] == []


async def test_no_page_names_a_colleague_whom_the_mail_does_not_name(office: Office) -> None:
    """A colleague who got a mail by a list is named on no page of others, and the explanation needs no name either."""
    world = office.life
    (box,) = [one for one in world.accounts.values() if one.address == ANN]
    content = mail("unnamed", CARLA, "list@lists.example")
    await world.match(await world.copy(box, content))
    path = f"/mail/{content.key}"
    browser = await office.signed_in(EVE)
    for page in (record(office), "/mail?q=unnamed"):
        line = (await browser.shows(page)).partition("Subject unnamed")[2].partition("</li>")[0]
        assert line
        assert "held by" not in line
        assert ANN not in line
    held = (await browser.shows(path)).partition("<h3>Held by</h3>")[2].partition("</ul>")[0]
    assert "a colleague whom this mail does not name" in held
    assert ANN not in held
    why = await browser.shows(f"{path}/why?record={office.life.refs['R1']}")
    assert "shared by a colleague whom it does not name" in why
    assert ANN not in why
