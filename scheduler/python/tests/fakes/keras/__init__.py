"""Stands in for Keras in tests of the callback, where Keras is not installed."""
