"""What every other part of the store builds on.

- ``config``, ``collections``, ``documents``, ``bulk``, ``errors``: settings, handles, models to BSON and back, bulk inserts, failures
- ``setup``, ``migrations``: indexes, and changes of what an earlier version stored
- ``fence``: writes that count only under an account's lease
- ``singleton_lease``, ``pending_work``: one process at a time; work that survives a crash
- ``blind_index``, ``mark_keys``: keyed look-up hashes of addresses and Message-IDs; the keys of today and of before
- ``colleagues``, ``address_proofs``, ``audit``: who is internal; which account an address belongs to; who changed what
"""
