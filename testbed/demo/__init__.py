"""``make demo``: the whole system on this machine, on three made-up mailboxes, shown step by step.

- ``world``: the servers, the stages, the users' mailboxes as other programs see them
- ``screen``: what a person sees of it
- ``tour``: the steps
- ``compose``: prepares the demo's mailboxes in a compose deployment
"""
