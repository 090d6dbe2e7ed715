"""Parses raw mail.

Consumes: ``mail.fetched``, both lanes, live first.
Produces: ``mail.parsed``, one per message, with the same lane and epoch.
Stores: raw mail, attachments and long HTML as blobs, referenced by ``email:<key>``.
Fails when: a mail kills its worker (``parser-died``) or takes too long (``parser-timeout``) on every try, or its blob is missing.
"""
