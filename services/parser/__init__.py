"""Turns a raw mail into what it says.

- Consumes: ``mail.fetched`` (live and backfill, each at its own pace; live first).
- Produces: ``mail.parsed``, one for each, with the same lane and epoch.
- Stores: the raw mail, attachments and long HTML as blobs, held by ``email:<key>``.
- Fails when: a mail kills its worker process or takes too long, each time it is tried (dead letters, ``parser-died`` and
  ``parser-timeout``), or its raw form is no longer in the blob store.
"""
