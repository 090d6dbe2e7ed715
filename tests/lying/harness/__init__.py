"""Runs the suite's cases: many accounts on one poller process, each with a scripted server of its own.

- ``cases``: what a case is
- ``mails``: its mails
- ``certificates``: for servers with TLS
- ``world``: the environment of a batch, and its poller
- ``poller``: the poller process with shorter pauses
- ``observer``: what an account's rows are, beside what its mailbox has
- ``batch``: runs the cases of a batch
"""
