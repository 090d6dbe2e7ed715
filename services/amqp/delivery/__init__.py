"""From an incoming message to a settled one, whichever bus carries it.

- ``bus``: the interface of the bus
- ``outcomes``: what handlers get and what they return
- ``codec``: messages as CloudEvents in AMQP
- ``incoming``: a delivered message and its acknowledgement
- ``batcher``: which messages are handled when
- ``dispatch``: decodes, handles, publishes, then acknowledges
- ``retry``: what follows from a failure
- ``dead_letter_consumer``: stores dead letters
- ``outcome_logger``: the log lines about messages
- ``trace_context``: the W3C trace that a message belongs to
- ``spans``: the interface of tracing
- ``tracing``: spans with OpenTelemetry, loaded only where traces are sent
"""
