"""run.json: what a run is and what made it. Written once, when the model stands and its plan is known."""

import os
import time
from pathlib import Path

from rundir import process
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.provenance import git, versions
from rundir.records import encode
from rundir.secret import redact
from rundir.status import RunInfo
from traind.config import Config
from traind.given import given
from traind.wire import Facts


def write_run_json(run: RunDir, config: Config, argv: list[str], started_at: float | None, facts: Facts) -> None:
    """Write run.json unless it is there. Raises OSError."""
    if run.run_json.exists():
        return
    commit, is_dirty = git(Path.cwd())
    info = RunInfo(
        id=run.id,
        name=config.name,
        task=config.task.kind,
        created_at=started_at or time.time(),
        argv=[redact(word, os.environ) for word in argv],
        host=process.host(),
        user=process.user(),
        git_commit=commit,
        git_dirty=is_dirty,
        versions=versions(),
        seed=config.seed,
        planned_steps=facts.planned_steps,
        threads=facts.threads,
        cpu_capability=facts.cpu_capability,
        hashes=facts.hashes,
        given=given(config),
    )
    write_atomic(run.run_json, encode(info))
