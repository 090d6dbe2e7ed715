"""Address fields that want to name somebody else, or nobody, or everybody."""

from __future__ import annotations

from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail, with_field

_EVE, _JOERG = "eve@evil.example", "joerg@client.example"
_MANY = [f"u{number:05}@x.example" for number in range(5_000)]

_FROM: dict[str, tuple[bytes, list[str], dict[str, Any]]] = {
    "address in the name": (b'"anna@acme.example" <eve@evil.example>', [_EVE], {"names": ["anna@acme.example"]}),
    "address in the comment": (b"eve@evil.example (anna@acme.example)", [_EVE], {"names": ["anna@acme.example"]}),
    "two addresses in brackets": (
        b"<anna@acme.example> <eve@evil.example>",
        ["anna@acme.example", _EVE],
        {"names": ["", ""], "defects": ["address:repaired"]},
    ),
    "a quote that never ends": (
        b'"Anna <eve@evil.example>',
        [_EVE],
        {"names": ["Anna"], "defects": ["address:repaired"]},
    ),
    "a comment that never ends": (
        b"Anna (x <eve@evil.example>",
        [_EVE],
        {"names": ["Anna x"], "defects": ["address:repaired"]},
    ),
    "nul in the address": (b"<e\0ve@evil.example>", [], {"names": [], "defects": ["address:from"]}),
    "space in the address": (b"<eve smith@evil.example>", [], {"names": [], "defects": ["address:from"]}),
    "two at signs": (b"<eve@evil.example@acme.example>", [], {"names": [], "defects": ["address:from"]}),
    "no domain": (b"<eve@>", [], {"names": [], "defects": ["address:from"]}),
    "no local part": (b"<@evil.example>", [], {"names": [], "defects": ["address:from"]}),
    "empty brackets": (b"Eve <>", [], {"names": [], "defects": ["address:from"]}),
    "only commas": (b",,,,,,", [], {"names": [], "defects": ["address:from"]}),
    "domain of 1,000 letters": (b"<eve@" + b"a" * 1_000 + b".example>", [], {"names": [], "defects": ["address:from"]}),
    "local part of 1,000 letters": (
        b"<" + b"a" * 1_000 + b"@b.example>",
        [],
        {"names": [], "defects": ["address:from"]},
    ),
    "name of 100 KB": (b"a" * 100_000 + b" <eve@evil.example>", [_EVE], {"names": ["a" * limits.NAME]}),
    "capitals": (b"<EVE@EVIL.EXAMPLE>", [_EVE], {"names": [""]}),
    "route": (b"<@a.example,@b.example:eve@evil.example>", [_EVE], {"names": [""]}),
    "internationalised domain": ("<eve@bücher.example>".encode(), ["eve@xn--bcher-kva.example"], {"names": [""]}),
    "domain in other letters that look alike": (
        "<eve@аcme.example>".encode(),
        ["eve@xn--cme-5cd.example"],
        {"names": [""]},
    ),
    "right-to-left override in the name": (
        '"\u202egro.live" <eve@evil.example>'.encode(),
        [_EVE],
        {"names": ["\u202egro.live"]},
    ),
    "zero width in the address": ("<e\u200bve@evil.example>".encode(), [_EVE], {"names": [""]}),
    "line break in the name": (b"=?utf-8?q?a=0D=0ABcc:_x?= <eve@evil.example>", [_EVE], {"names": ["a Bcc: x"]}),
    "html in the name": (b'"<script>" <eve@evil.example>', [_EVE], {"names": ["<script>"]}),
    "mailto": (b"<mailto:eve@evil.example?bcc=x@y.example>", [_EVE], {"names": [""]}),
    "semicolons": (b"<eve@evil.example>; <joerg@client.example>", [_EVE, _JOERG], {"names": ["", ""]}),
    "a group": (b"Team: eve@evil.example, joerg@client.example;", [_EVE, _JOERG], {"names": ["", ""]}),
    "an empty group": (b"undisclosed-recipients:;", [], {"names": [], "defects": ["address:from"]}),
    "groups in groups": (b"A: B: C: eve@evil.example;;;", [_EVE], {"names": [""]}),
    "an encoded comma": (b"=?utf-8?q?a=2C_x=40y=2Eexample?= <eve@evil.example>", [_EVE], {"names": ["a, x@y.example"]}),
    "all in an encoded word": (
        b"=?utf-8?q?eve=40evil=2Eexample?=",
        [_EVE],
        {"names": [""], "defects": ["address:repaired"]},
    ),
    "dots": (b"<e..ve.@evil.example>", ["e..ve.@evil.example"], {"names": [""]}),
    "domain literal": (b"<eve@[127.0.0.1]>", [], {"names": [], "defects": ["address:from"]}),
    "bang path": (b"<host!user@evil.example>", ["host!user@evil.example"], {"names": [""]}),
    "percent route": (b"<user%acme.example@evil.example>", ["user%acme.example@evil.example"], {"names": [""]}),
    "the same address twice": (b"<eve@evil.example>, Eve <eve@evil.example>", [_EVE], {"names": ["Eve"]}),
}

_TO: dict[str, tuple[bytes, list[str], dict[str, Any]]] = {
    "5,000 recipients": (", ".join(_MANY).encode(), _MANY[: limits.RECIPIENTS - 1], {"truncated": True}),
    "5,000 times one": (b"anna@acme.example, " * 5_000, ["anna@acme.example"], {}),
    "comments of 100 levels": (
        b"(" * 100 + b")" * 100 + b"anna@acme.example",
        ["anna@acme.example"],
        {"defects": ["address:repaired"]},
    ),
    "50,000 open comments": (
        b"anna@acme.example " + b"(" * 50_000,
        ["anna@acme.example"],
        {"defects": ["address:repaired"]},
    ),
    "50,000 quotes": (b"anna@acme.example, " + b'"' * 50_000, ["anna@acme.example"], {}),
    "50,000 backslashes": (b'"' + b"\\" * 50_000 + b'" <anna@acme.example>', ["anna@acme.example"], {}),
    "50,000 angle brackets": (
        b"anna@acme.example, " + b"<" * 50_000,
        ["anna@acme.example"],
        {"defects": ["address:repaired"]},
    ),
    "50,000 colons": (b"a" + b":" * 50_000 + b"anna@acme.example", ["anna@acme.example"], {}),
    "50,000 at signs": (b"anna@acme.example, " + b"@" * 50_000, ["anna@acme.example"], {"defects": ["address:to"]}),
    "50,000 dots": (
        b"anna@acme.example, a" + b"." * 50_000 + b"@b.example",
        ["anna@acme.example"],
        {"defects": ["address:to"]},
    ),
    "a tab between": (b"anna@acme.example,\t eve@evil.example", ["anna@acme.example", _EVE], {}),
    "a field of 300 KB": (
        b"anna@acme.example, " + b" " * 300_000 + _EVE.encode(),
        ["anna@acme.example"],
        {"truncated": True},
    ),
}


def _in_roles() -> dict[str, Sample]:
    return {
        "bcc twice": sample(
            mail(b"Hello\r\n", b"Bcc: a@b.example", b"Bcc: c@d.example"), bcc=["a@b.example", "c@d.example"]
        ),
        "bcc in an encoded word": sample(mail(b"Hello\r\n", b"Bcc: =?utf-8?q?a=40b=2Eexample?="), bcc=["a@b.example"]),
        "cc with bcc folded into it": sample(
            mail(b"Hello\r\n", b"Cc: c@d.example,\r\n Bcc: <a@b.example>"), cc=["a@b.example", "c@d.example"]
        ),
        "two from fields": sample(
            mail(b"Hello\r\n", b"From: Eve <eve@evil.example>"), from_=[_EVE, _JOERG], names=["Eve", "Joerg Weber"]
        ),
        "sender is not from": sample(mail(b"Hello\r\n", b"Sender: eve@evil.example")),
        "rewritten sender without a list": sample(mail(b"Hello\r\n", b"X-Original-From: eve@evil.example")),
        "resent fields": sample(mail(b"Hello\r\n", b"Resent-To: eve@evil.example", b"Resent-From: eve@evil.example")),
        "apparently-to": sample(mail(b"Hello\r\n", b"Apparently-To: eve@evil.example")),
        "delivered-to": sample(mail(b"Hello\r\n", b"Delivered-To: eve@evil.example")),
    }


SAMPLES = {
    **{
        f"from: {name}": sample(with_field(b"From", value), from_=found, **more)
        for name, (value, found, more) in _FROM.items()
    },
    **{f"to: {name}": sample(with_field(b"To", value), to=found, **more) for name, (value, found, more) in _TO.items()},
    **{f"role: {name}": each for name, each in _in_roles().items()},
}
