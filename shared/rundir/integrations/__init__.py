"""Callbacks that make a run of another trainer one that is watched and steered. Each is imported by its user alone.

The only modules of `rundir` that know a library of others: the one they are named after.
"""
