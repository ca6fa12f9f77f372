"""What alerts are about, by the names of their rules, for those who show them: importing it brings in no rule."""

PACE = ("cpu-fallback", "throttling", "data-bound", "stall", "slow-step", "low-utilisation", "stale-gpu-process")
"""How fast a run goes, not how well."""
