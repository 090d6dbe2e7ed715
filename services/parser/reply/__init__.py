"""What a mail says itself, without what it quotes and without its signature. Own text is never cut: what is in doubt stays.

- ``text``: the reply text and the snippet of a mail
- ``quotes``: where a quote begins
- ``introductions``: the lines that introduce one
- ``header_blocks``: the header above a mail that is quoted without marks
- ``signatures``: signatures, disclaimers, and what phones add
- ``closings``: sign-offs, and the name below one
- ``armour``: OpenPGP's frame around a text
- ``quote_words``, ``signature_words``: what mail programs and people write there, in their languages
"""
