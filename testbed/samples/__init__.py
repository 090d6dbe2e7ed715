"""Made-up mail: the demo's company with its three mailboxes, and the benchmark's mailbox of 20,000 messages.

Everything is a function of a seed; nothing here reads a file, a clock or the network. Only
:func:`testbed.samples.bench.mailbox.write_maildir` writes files.
"""
