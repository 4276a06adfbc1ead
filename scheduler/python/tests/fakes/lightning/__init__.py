"""Stands in for Lightning in tests of the callback, where Lightning is not installed."""
