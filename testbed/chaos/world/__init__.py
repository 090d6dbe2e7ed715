"""The company under chaos: its deployment, its people, the faults.

- ``company``: database, virtual host, mailboxes, accounts and records
- ``replicas``: the stages as processes that are started again
- ``network``, ``proxy``, ``imap_faults``: the proxies between the parts, and what they do to traffic
- ``faults``: which faults happen when, and how each is done
- ``token_faults``: what happens to the sign-in of the mailbox that has tokens
- ``activity``, ``owners``: what people do meanwhile
- ``commands``: how they run ``leadmail``
- ``evidence``: gathers what the verdict needs
"""
