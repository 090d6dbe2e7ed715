"""``make bench``: how fast a backfill and a new mail are, beside what another program needs for the same mailbox.

Everything is measured in one run on one machine, and only ratios are compared: absolute figures are the machine's.
"""
