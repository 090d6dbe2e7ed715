"""Tests of the store, most of them on a real MongoDB."""
