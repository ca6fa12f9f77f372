"""Alert rules: streaming judgements over a run's records, pure, without clock or I/O.

The supervisor feeds every record once; a viewer shows what came of it, or feeds an engine of its own where there is no
supervisor; `traind diagnose` feeds a whole recorded run.
"""

from rundir.alerts.base import AlertChange, Rule
from rundir.alerts.engine import MARKS, RULES, Engine
from rundir.alerts.facts import Facts

__all__ = ["MARKS", "RULES", "AlertChange", "Engine", "Facts", "Rule"]
