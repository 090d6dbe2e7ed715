"""Header fields of mail as the poller and the parser both read them, so that neither finds what the other misses.

- ``addresses``: the addresses of an address field, however malformed
- ``address_specs``: one address, with what does not belong to it taken off
- ``encoded_words``: the bytes of encoded words (RFC 2047)
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
from schemas.header.encoded_words import WORD, decode_base64, word_bytes

__all__ = [
    "MAX_VALUE",
    "PEOPLE",
    "REWRITTEN",
    "WORD",
    "AddressList",
    "NamedAddress",
    "decode_base64",
    "people_fields",
    "read_addresses",
    "unfolded",
    "word_bytes",
]
