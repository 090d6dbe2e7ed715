"""Many mailboxes at rest: start-up, memory, CPU, and how fast new mail is published. ``python -m testbed.bench.idle --help``.

- ``fixture``: thousands of synchronised accounts in a moment
- ``pollers``: the processes that are measured
- ``measure``: the order of a run, step by step
- ``figures``: what a run measures, for people
"""
