"""Leadmail's services: one package per stage, what the stages share, and the ways in for people.

- ``poller``, ``parser``, ``matcher``, ``notifier``: the stages
- ``amqp``, ``runtime``, ``mailbox``, ``store``: what the stages share
- ``usecases``, ``wording``: what people do, and the words that they read
- ``cli``, ``console``: the ways in for people
- ``settings``: the settings of each process
- ``wiring``: builds the store from settings
- ``front_door``: packages whose names load their modules when they are first used
"""

import sys

# Our MongoDB client, the asynchronous one, cannot use pyOpenSSL, which no lock has. pymongo looks for it all the same, and loads
# cryptography.x509 (20 ms) before it finds that it is not there.
sys.modules["pymongo.pyopenssl_context"] = None  # type: ignore[assignment]
