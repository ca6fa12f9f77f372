"""The run-directory protocol: the only place where the daemon and the dashboard meet.

Stands on the standard library, msgspec and numpy; knows neither torch nor Textual. `docs/protocol.md` is its text.
"""

FORMAT = 1
"""The number of the run-directory format this package writes; record kinds change only with it."""
