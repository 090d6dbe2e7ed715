"""Servers that speak dialects and lie: what the poller makes of each, on the scripted server."""
