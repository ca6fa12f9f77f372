"""Measurements that print tables and never fail on a time."""
