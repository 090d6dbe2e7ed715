"""Handles and settles messages. It knows no broker.

- ``bus``: the interface of the bus, and how every bus publishes and handles
- ``outcomes``: what handlers are, receive and return
- ``codec``: messages as CloudEvents in AMQP
- ``incoming``: a delivered message and its acknowledgement
- ``batcher``: starts batches
- ``dispatch``: decodes, handles, publishes, then acknowledges
- ``retry``: retries, or gives up, after a failure
- ``dead_letter_consumer``: stores dead letters
- ``outcome_logger``: the log lines about messages
- ``trace_context``: the W3C trace that a message belongs to
- ``tracing``: spans with OpenTelemetry, loaded only where traces are sent
"""
