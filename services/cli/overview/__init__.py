"""What an operator looks at first.

- ``status``: the command ``leadmail status``
- ``watching``: ``--watch``: reads again and again, also while a server is down
- ``status_view``: the output of both
- ``accounts_table``: the accounts in it, in the room that the terminal has
- ``queues``: the command ``leadmail queues``
"""
