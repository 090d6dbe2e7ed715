"""The CRM's side.

- ``records``, ``record_fields``: leads and contacts in the CRM's own collections
- ``own_records``: changes and deletes those that Leadmail added itself
- ``record_addresses``, ``erasures``: the index of their addresses, and addresses that were erased from it
- ``name_completion``: names that begin with a text, for the shell
- ``record_watch``: changes of records, by change stream
- ``summaries``: what Leadmail writes into the CRM's documents
"""
