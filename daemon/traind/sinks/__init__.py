"""Sinks: the run's records in the formats of other programs, beside our own and while it trains.

Each runs in a process of its own, which follows metrics.jsonl like any other reader: training does not know of them,
and one that fails or hangs takes nobody along.
"""
