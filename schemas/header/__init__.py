"""Header fields of mail as the poller and the parser both read them, so that neither finds what the other misses.

- ``addresses``: the addresses of an address field, however malformed
- ``address_specs``: one address, with what does not belong to it taken off
- ``message_ids``: Message-ID, In-Reply-To, References
- ``encoded_words``: the bytes of encoded words (RFC 2047), base64, quoted-printable
"""

from schemas.header.addresses import (
    MAX_VALUE,
    PEOPLE,
    REWRITTEN,
    AddressList,
    NamedAddress,
    people_fields,
    read_addresses,
    unfolded,
)
from schemas.header.encoded_words import WORD, decode_base64, decode_quoted_printable, word_bytes
from schemas.header.message_ids import MAX_MESSAGE_ID, answered_id, named_ids, own_id

__all__ = [
    "MAX_MESSAGE_ID",
    "MAX_VALUE",
    "PEOPLE",
    "REWRITTEN",
    "WORD",
    "AddressList",
    "NamedAddress",
    "answered_id",
    "decode_base64",
    "decode_quoted_printable",
    "named_ids",
    "own_id",
    "people_fields",
    "read_addresses",
    "unfolded",
    "word_bytes",
]
