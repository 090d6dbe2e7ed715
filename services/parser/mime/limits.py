"""Limits on what is parsed: hostile mail is truncated (``Classification.truncated``) and never raises.

The sizes that ``schemas.mail`` promises are here, too, so that each limit is defined once.
"""

from __future__ import annotations

from schemas.bounces import MOST
from schemas.header import MAX_VALUE

KIB = 1024

PARTS = 500
"""Leaves and containers of a mail together."""
DEPTH = 50
"""Multiparts within one another."""
HEADERS = 1_000
"""Header fields of one part."""
HEADER_BYTES = 512 * KIB
"""Of one part's whole header block."""
HEADER_VALUE = MAX_VALUE
"""Of one header field."""
PARAMETERS = 100
"""Parameters of one Content-Type or Content-Disposition, RFC 2231 segments included."""

RECIPIENTS = 1_000
REFERENCES = 100
MESSAGE_ID = 998
SUBJECT = 998
NAME = 200
"""Characters of a display name or of a file name."""
ATTACHMENTS = 200
BOUNCED = MOST
REASON = 300
DEFECTS = 20
SNIPPET = 200

TEXT_BYTES = 256 * KIB
"""Of ``Content.text`` in UTF-8; longer text is cut."""
HTML_BYTES = 256 * KIB
"""Of ``Content.html`` in UTF-8; a longer one becomes a blob."""
DECODED_TEXT_BYTES = 1024 * KIB
"""Of one text part before its charset is decoded; more can never be shown."""
CONVERTED_HTML = 1024 * KIB
"""Characters of HTML that are turned into text."""
