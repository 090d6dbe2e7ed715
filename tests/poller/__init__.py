"""The poller against a real mail server."""
