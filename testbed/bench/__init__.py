"""``make bench``: how fast a backfill and a new mail are, compared with another program on the same mailbox.

``idle``: ``make bench-idle``, many mailboxes at rest.

Everything is measured in one run on one machine. Compare only ratios: absolute figures depend on the machine.
"""
