"""HTML that hides, runs, refers, or never closes: only what a reader would see is text."""

from __future__ import annotations

from typing import Any

from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail

_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "script": ("<p>Hello</p><script>alert(1)</script>", {}),
    "script that never closes": ("<p>Hello</p><script>alert(1)", {}),
    "script in an attribute": ('<p onclick="alert(1)">Hello</p>', {}),
    "script in a style": ("<style>p{background:url(javascript:alert(1))}</style>Hello", {}),
    "style that never closes": ("<p>Hello</p><style>p{", {}),
    "svg with script": ("<p>Hello</p><svg><script>x</script><text>no</text></svg>", {}),
    "mathml": ("<p>Hello</p><math><mtext></mtext></math>", {}),
    "meta refresh": ('<meta http-equiv=refresh content="0;url=http://evil.example"><p>Hello</p>', {}),
    "base": ('<base href="http://evil.example/"><p>Hello</p>', {}),
    "form": ('<form action="http://evil.example"><input value="x"><p>Hello</p></form>', {}),
    "button": ("<p>Hello</p><textarea>no</textarea><select><option>no</option></select>", {}),
    "iframe": ('<p>Hello</p><iframe src="http://evil.example">no</iframe>', {}),
    "object": ('<p>Hello</p><object data="data:text/html,no">no</object>', {}),
    "template": ("<p>Hello</p><template><p>no</p></template>", {}),
    "noscript": ("<p>Hello</p><noscript>no</noscript>", {}),
    "title": ("<title>no</title><p>Hello</p>", {}),
    "comment": ("<!-- no --><p>Hello</p>", {}),
    "comment that never closes": ("<p>Hello</p><!-- no", {}),
    "conditional comment": ("<!--[if mso]><p>no</p><![endif]--><p>Hello</p>", {}),
    "cdata": ("<p>Hello</p><![CDATA[x]]>", {}),
    "processing instruction": ("<?xml version='1.0'?><p>Hello</p>", {}),
    "display none": ('<p>Hello</p><p style="display:none">no</p>', {}),
    "display none with spaces": ('<p>Hello</p><p style=" DISPLAY : none ">no</p>', {}),
    "visibility hidden": ('<p>Hello</p><p style="visibility:hidden">no</p>', {}),
    "font size 0": ('<p>Hello</p><span style="font-size:0">no</span>', {}),
    "opacity 0": ('<p>Hello</p><span style="opacity:0">no</span>', {}),
    "hidden attribute": ("<p>Hello</p><p hidden>no</p>", {}),
    "hidden within hidden": ('<p>Hello</p><div hidden><p style="display:none">no</p>no</div>', {}),
    "style of 100 KB": ('<p>Hello</p><p style="' + "a:b;" * 25_000 + '">more</p>', {"text": "Hello\n\nmore"}),
    "data image": ('<p>Hello</p><img src="data:image/png;base64,AAAA" alt="no">', {}),
    "cid of nothing": ('<p>Hello</p><img src="cid:none@x">', {}),
    "link that lies": ('<a href="http://evil.example">Hello</a>', {}),
    "link to javascript": ('<a href="javascript:alert(1)">Hello</a>', {}),
    "link to data": ('<a href="data:text/html,no">Hello</a>', {}),
    "image that loads": ('<p>Hello</p><img src="http://evil.example/x.gif" onerror="alert(1)">', {}),
    "sound": ('<p>Hello</p><audio src="x" autoplay></audio>', {}),
    "imported style": ("<style>@import url(http://evil.example)</style><p>Hello</p>", {}),
    "right-to-left attribute": ('<p dir="rtl">Hello</p>', {}),
    "entities": ("<p>&#72;&#x65;&#108;l&#111;</p>", {}),
    "entities without semicolons": ("<p>&#72&#x65&#108l&#111</p>", {}),
    "entity of nul": ("<p>Hel&#0;lo</p>", {"text": "Hel\ufffdlo"}),
    "entity of a surrogate": ("<p>Hello&#xD800;</p>", {"text": "Hello\ufffd"}),
    "entity out of range": ("<p>Hello&#x110000;</p>", {"text": "Hello\ufffd"}),
    "10,000 entities": ("<p>" + "&amp;" * 10_000 + "</p>", {"text": "&" * 10_000}),
    "entities in entities": ("<p>&amp;lt;Hello&amp;gt;</p>", {"text": "&lt;Hello&gt;"}),
    "nothing closed": ("<p><b><i><u>Hello", {}),
    "all closed wrongly": ("</p></b><p>Hello</i></div>", {}),
    "capitals": ("<P>Hello</P><SCRIPT>no</SCRIPT>", {}),
    "nul in a tag": ("<p>Hello</p><scr\0ipt>no</scr\0ipt>", {"text": "Hello\n\nno"}),
    "slash in a tag": ("<p/>Hello<script/x>no</script>", {}),
    "no tags": ("Hello", {}),
    "empty": ("", {"text": ""}),
    "only tags": ("<p></p>" * 1_000, {"text": ""}),
    "angle brackets": ("<p>Hello</p>" + "<" * 100, {"text": "Hello\n\n" + "<" * 100}),
    "10,000 divs": ("<div>" * 10_000 + "Hello", {"defects": ["html"]}),
    "1,000 tables": ("<table><tr><td>" * 1_000 + "Hello", {}),
    "1,000 quotes": ("<blockquote>" * 1_000 + "Hello", {"text": "> " * 20 + "Hello"}),
    "10,000 attributes": ("<p " + "a=b " * 10_000 + ">Hello</p>", {}),
    "an attribute of 100 KB": ('<p title="' + "a" * 100_000 + '">Hello</p>', {}),
    "an attribute that never closes": ('<p>Hello</p><p title="no', {}),
    "private characters": ("<p>\ue000He\ue003llo\ue006</p>", {}),
    "invisible filler": ("<p>" + "\u200c\u00a0" * 100 + "</p><p>Hello</p>", {}),
    "a body twice": ("<body><p>Hello</p></body><body></body>", {}),
    "html after the end": ("<html><body>Hello</body></html><p>more</p>", {"text": "Hello\n\nmore"}),
    "frames": ("<frameset><frame src=x></frameset><p>Hello</p>", {"text": ""}),
    "plaintext": ("<p>Hello</p><plaintext><script>x", {"text": "Hello\n\n<script>x"}),
    "xmp": ("<p>Hello</p><xmp><b>x</b></xmp>", {"text": "Hello\n\n<b>x</b>"}),
}

SAMPLES: dict[str, Sample] = {
    f"html: {name}": sample(mail(page.encode(), b"Content-Type: text/html; charset=utf-8"), **more)
    for name, (page, more) in _PAGES.items()
}
