"""What a mail says itself, without what it quotes and without its signature. Own text is never cut: what is in doubt stays.

- ``text``: the reply text and the snippet of a mail
- ``quotes``: where a quote begins, and the lines that introduce it
- ``header_blocks``: the header above a mail that is quoted without marks
- ``signatures``: signatures, sign-offs, disclaimers, and what phones add
- ``armour``: OpenPGP's frame around a text
- ``quote_words``, ``signature_words``: what mail programs and people write there, in their languages
"""
