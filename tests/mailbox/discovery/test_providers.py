"""The directory of mail services: every entry is usable, and each address finds its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from schemas.addresses import normal_domain
from services.mailbox.connection.hostname import host_name
from services.mailbox.providers import Directory, Provider, Quirk, directory

KEYS = sorted(directory().by_key)


@pytest.mark.parametrize("key", KEYS)
def test_an_entry_is_complete(key: str) -> None:
    """Names are normal, servers encrypted on usual ports, and services that require an app password say how to get one."""
    provider = directory().by_key[key]
    assert re.fullmatch(r"[a-z0-9-]+", key)
    assert provider.domains or provider.mx
    for name in (*provider.domains, *provider.mx):
        assert normal_domain(name) == name
    for server in (provider.imap, provider.smtp):
        assert host_name(server.host) == server.host
    if "local" not in provider.quirks:
        assert (provider.imap.port, provider.imap.tls) == (993, "tls")
        assert (provider.smtp.port, provider.smtp.tls) in {(465, "tls"), (587, "starttls"), (994, "tls")}
    assert provider.auth
    if "app-password" in provider.auth:
        assert provider.app_password
        assert provider.app_password_url
    if provider.auth == ("oauth2",):
        assert provider.note
    assert bool(provider.imap_steps) == bool(provider.imap_url)
    for url in (provider.app_password_url, provider.imap_url):
        assert not url or url.startswith("https://")
    for text in (*provider.app_password, *provider.imap_steps, *filter(None, [provider.note])):
        assert text[-1] in ".:)", text


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("Ann@GMail.com", "gmail"),
        ("ann@googlemail.com", "gmail"),
        ("ann@hotmail.co.uk", "outlook"),
        ("ann@live.nl", "outlook"),
        ("ann@yahoo.co.jp", "yahoo-japan"),
        ("ann@yahoo.com.br", "yahoo"),
        ("ann@me.com", "icloud"),
        ("ann@zoho.eu", "zoho-eu"),
        ("ann@zohomail.in", "zoho-in"),
        ("ann@fastmail.fm", "fastmail"),
        ("ann@aol.co.uk", "aol"),
        ("ann@gmx.at", "gmx"),
        ("ann@gmx.com", "gmx-com"),
        ("ann@web.de", "web-de"),
        ("ann@ya.ru", "yandex"),
        ("ann@bk.ru", "mail-ru"),
        ("ann@163.com", "netease-163"),
        ("ann@yeah.net", "netease-yeah"),
        ("ann@qq.com", "qq"),
        ("ann@proton.me", "proton-bridge"),
        ("ann@wanadoo.fr", "orange-fr"),
        ("ann@verizon.net", "verizon"),
        ("ann@sbcglobal.net", "att"),
    ],
)
def test_an_address_finds_its_service(address: str, key: str) -> None:
    """National variants and old names of a service's domains belong to it."""
    found = directory().for_address(address)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    ("exchangers", "key"),
    [
        (["aspmx.l.google.com", "alt1.aspmx.l.google.com"], "google-workspace"),
        (["SMTP.Google.com."], "google-workspace"),
        (["acme-com.mail.protection.outlook.com"], "microsoft365"),
        (["acme-com.a-v1.mx.microsoft"], "microsoft365"),
        (["hotmail-com.olc.protection.outlook.com"], "outlook"),
        (["mta5.am0.yahoodns.net"], "yahoo"),
        (["mx.zoho.com", "mx2.zoho.com"], "zoho-business"),
        (["mx.zoho.eu"], "zoho-eu-business"),
        (["in1-smtp.messagingengine.com"], "fastmail"),
        (["mx01.mail.icloud.com"], "icloud"),
        (["mx.yandex.net"], "yandex"),
        (["mxbiz1.qq.com"], "tencent-exmail"),
        (["mx1.qq.com"], "qq"),
        (["hzmx01.mxmail.netease.com"], "netease-enterprise"),
        (["163mx01.mxmail.netease.com"], "netease-163"),
        (["mail.protonmail.ch"], "proton-bridge"),
        (["mx00.kundenserver.de"], "ionos"),
        (["mx1.mail.ovh.net"], "ovh"),
        (["mx1.emailsrvr.com"], "rackspace"),
        (["mail.unknown.example", "aspmx.l.google.com"], "google-workspace"),
    ],
)
def test_a_hosted_domain_finds_its_service_by_its_exchangers(exchangers: list[str], key: str) -> None:
    """The longest matching name decides, label by label."""
    found = directory().for_exchangers(exchangers)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("exchanger", ["notgoogle.com", "google.com.evil.example", "com", "", "mail.acme.example"])
def test_a_name_that_only_looks_alike_matches_no_service(exchanger: str) -> None:
    """Matches end at label boundaries."""
    assert directory().for_exchangers([exchanger]) is None


def test_a_typed_server_finds_its_service() -> None:
    """Accounts whose servers were typed in also get the service's advice. A loopback address belongs to no service."""
    found = directory().for_server("IMAP.gmail.com")
    assert found is not None
    assert found.key == "gmail"
    assert directory().for_server("127.0.0.1") is None
    assert directory().for_server("imap.acme.example") is None


def test_login_names_follow_the_service() -> None:
    """Most services want the whole address, some the part before the at-sign."""
    assert directory().by_key["gmail"].login_name("ann@gmail.com") == "ann@gmail.com"
    assert directory().by_key["free-fr"].login_name("ann@free.fr") == "ann"


@pytest.mark.parametrize(
    ("key", "typed", "clean"),
    [
        ("gmail", "abcd efgh ijkl mnop", "abcdefghijklmnop"),
        ("gmail", " abcdefghijklmnop\n", "abcdefghijklmnop"),
        ("gmail", "my own  password", "my own  password"),
        ("icloud", "abcd-efgh-ijkl-mnop ", "abcd-efgh-ijkl-mnop"),
        ("posteo", " spaces matter ", " spaces matter "),
    ],
)
def test_spaces_in_app_passwords_are_dropped(key: str, typed: str, clean: str) -> None:
    """An app password may be pasted with its spaces. Any other password stays as typed."""
    assert directory().by_key[key].clean_password(typed) == clean


def test_two_services_cannot_claim_one_domain() -> None:
    """A slip in the data is found at once."""
    fields = {
        "name": "x",
        "imap": "tls://imap.x.example:993",
        "smtp": "tls://smtp.x.example:465",
        "domains": ["x.example"],
    }
    with pytest.raises(ValueError, match=r"x\.example belongs to a and to b"):
        Directory(Provider.model_validate({"key": key, **fields}) for key in ("a", "b"))


def test_the_known_quirks_are_marked() -> None:
    """The known quirks of a service are marked for the poller."""
    assert directory().by_key["icloud"].quirks == {"no_qresync"}
    assert directory().by_key["netease-163"].quirks == {"poll"}
    assert not directory().by_key["gmail"].quirks


@pytest.mark.parametrize("quirk", get_args(Quirk))
def test_every_quirk_is_read_by_the_code(quirk: str) -> None:
    """A quirk that no module looks for is dead data."""
    services = Path(__file__).parents[3] / "services"
    pattern = re.compile(rf'"{quirk}" (not )?in \w+\.quirks')
    assert any(pattern.search(path.read_text(encoding="utf-8")) for path in services.rglob("*.py"))
