"""``make bench``: how fast a backfill and a new mail are, compared with another program on the same mailbox.

Everything is measured in one run on one machine. Compare only ratios: absolute figures depend on the machine.
"""
