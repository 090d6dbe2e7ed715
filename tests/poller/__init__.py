"""Tests of poller."""
