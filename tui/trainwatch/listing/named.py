"""Tables of runs that were named one by one, and the table beside a run that was opened alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rundir import layout
from rundir.layout import RunDir
from trainwatch.foreign.find import source_at
from trainwatch.foreign.scanner import log_scanner
from trainwatch.foreign.tensorboard import logs_below
from trainwatch.listing.scan import Scanner
from trainwatch.listing.survey import Source, Survey
from trainwatch.remote.run import RemoteRun


def is_one(path: Path) -> bool:
    """Whether a path is one run, one log of another program or a directory of such logs: no directory of runs."""
    if layout.is_run(path):
        return True
    return not layout.find_runs(path) and (source_at(path) is not None or bool(logs_below(path)))


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """Followers of paths of which each `is_one`: the runs by the directories that they are in, all logs as one."""
    runs = [path.resolve() for path in paths if layout.is_run(path)]
    names = Counter(path.name for path in dict.fromkeys(runs))
    sources = []
    for parent in dict.fromkeys(run.parent for run in runs):
        only = frozenset(run.name for run in runs if run.parent == parent)
        place = str(parent) if any(names[name] > 1 for name in only) else ""
        sources.append(Source(Scanner(parent, place, only=only), _words(sorted(only))))
    logs = [log for path in paths if not layout.is_run(path) for log in logs_of(path)]
    return [*sources, *([Source(log_scanner(logs, set(names)), _words([str(log) for log in logs]))] if logs else [])]


def logs_of(path: Path) -> list[Path]:
    """The log that a path is, or those below it."""
    return [path] if source_at(path) is not None else [path / name for name in logs_below(path)]


def _words(names: Sequence[str]) -> str:
    return "  ".join(names) if len(names) < 4 else f"{names[0]}  {names[1]}  … {len(names)} in all"


def survey_of_logs(path: Path) -> Survey | None:
    """The table of a directory that holds several logs of other programs; None where it does not."""
    logs = logs_below(path) if path.is_dir() and source_at(path) is None else []
    return Survey([Source(log_scanner([path / name for name in logs]), str(path))]) if logs else None


def table_beside(run: RunDir) -> Path | Survey | None:
    """The table of what lies in the same directory as a run, or as a log that has others beside it; None: there is
    none here."""
    parent = run.path.resolve().parent
    if isinstance(run, RemoteRun):
        return None
    return parent if layout.is_run(run.path) else survey_of_logs(parent)
