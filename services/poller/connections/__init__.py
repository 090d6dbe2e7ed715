"""Who may connect to a mailbox and when: connections per account and server, pauses after failures, metrics.

- ``connector``: open sessions
- ``login_gate``: how many log-ins to a server run at the same time
- ``connection_slots``: share an account's connections among its tasks
- ``background_slots``: how many accounts do background work at the same time
- ``starts``: how many accounts ask the database at the same time what there is to do
- ``budgets``: what a mail service allows in a span of time, shared by all pollers
- ``host_slots``: how many connections to a server may be open at once, shared by all pollers
- ``backoff``: how long to pause, and when the owner has to act
- ``blocked_retry``: try blocked accounts again now and then
- ``troubles``: why an account cannot go on, as it is stored and shown
- ``errors``: which error of an account decides
- ``imap_metrics``: what is counted, by mail service
"""
