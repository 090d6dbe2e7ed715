"""The SMTP client: connect, log in, submit."""
