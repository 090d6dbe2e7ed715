"""Tests of parser."""
