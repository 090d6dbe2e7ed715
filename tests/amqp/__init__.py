"""Tests of amqp."""
