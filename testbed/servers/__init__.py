"""RabbitMQ, MongoDB, Dovecot and an SMTP sink as child processes."""
