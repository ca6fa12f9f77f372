"""Alert rules: streaming judgements over a run's records, pure, without clock or I/O.

The supervisor feeds every record once, in the order it was written; the viewer only shows what came of it.
"""

from rundir.alerts.base import AlertChange, Rule
from rundir.alerts.engine import RULES, Engine

__all__ = ["RULES", "AlertChange", "Engine", "Rule"]
