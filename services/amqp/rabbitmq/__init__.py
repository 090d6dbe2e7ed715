"""The bus on RabbitMQ.

- ``bus``: the bus
- ``connection``: a connection that reconnects
- ``connection_loss``: which errors mean that a connection or channel is lost
- ``queue_reader``: how full the queues are, also without a bus
- ``topology``: declares exchanges, queues and bindings
- ``publisher``, ``publish_window``: publishing with confirms, and how much may be in flight to one queue
- ``subscription``: a consumer that outlives its channel
- ``acknowledgements``: acknowledges many messages in few frames
- ``poison_isolation``: handles the messages that consumers died with
- ``management``, ``broker_diagnostics``: the management interface, and what ``leadmail doctor`` learns from it
"""
