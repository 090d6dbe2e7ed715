"""``make demo``: the whole system on this machine with three sample mailboxes, step by step.

- ``world``: the servers, the stages and the users
- ``phone``: a mailbox as the user's other devices see it
- ``screen``: what the tour prints
- ``tour``: the steps
- ``commands``: the commands that set the company up
- ``pictures``: `make screenshots`: the pictures of the documents
- ``compose``: prepares the demo's mailboxes in a Compose deployment
"""
