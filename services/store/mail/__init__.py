"""Stored mail.

- ``emails``, ``links``: one document per email, and one per email on a record
- ``joined_links``: links whose emails name the same Message-IDs
- ``orphaned_emails``: emails that are deleted, have no copy left, or are on no record
- ``deleted_emails``: emails whose deletion can still be undone
- ``raw_forms``: the raw form of copies, for readers
- ``blobs``, ``blob_refs``, ``blob_sweep``: raw mail and attachments, what still needs them, and deletion of the rest
- ``dead_letters``: messages that a stage could not handle
"""
