"""Every file name of a run directory, and how runs are made, named and found.

Guarantees: a run directory is created 0700 and appears under its final name at once; `latest` is a relative symlink
replaced atomically; discovery never follows a directory out of `runs_dir` and never fails on one that is not a run.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

LATEST = "latest"
RUN_JSON = "run.json"

_NAME_LENGTH = 100
"""Of a run's own name: file systems end at 255 bytes, and terminals long before."""
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class RunNotFoundError(Exception):
    """No run answers to the given path or id; the text says what was looked for and where."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """The paths of one run. Holds no state and touches no file by itself."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def run_json(self) -> Path:
        return self.path / RUN_JSON

    @property
    def config_toml(self) -> Path:
        return self.path / "config.toml"

    @property
    def labels_json(self) -> Path:
        return self.path / "labels.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def system(self) -> Path:
        return self.path / "system.jsonl"

    @property
    def status_json(self) -> Path:
        return self.path / "status.json"

    @property
    def alerts_json(self) -> Path:
        """The supervisor's own memory of the alert rules."""
        return self.path / "alerts.json"

    @property
    def remarks_json(self) -> Path:
        """What people say of the run: tags, a note, whether it was put away."""
        return self.path / "remarks.json"

    @property
    def control(self) -> Path:
        return self.path / "control.jsonl"

    @property
    def control_dir(self) -> Path:
        return self.path / "control.d"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def reserve(self) -> Path:
        return self.path / ".reserve"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def sinks(self) -> Path:
        """The sinks' own memory: how far each has read, and what it had to say."""
        return self.path / "sinks"

    @property
    def csv(self) -> Path:
        return self.path / "csv"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def wandb(self) -> Path:
        return self.path / "wandb"

    @property
    def base(self) -> Path:
        """The model that `model.init = "mlm"` has pre-trained: what adapters of this run are put on."""
        return self.path / "base"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def superseded(self) -> Path:
        return self.checkpoints / "superseded"

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:08d}"


def checkpoint_step(path: Path) -> int | None:
    """The step a checkpoint directory's name states; None for any other name."""
    match = re.fullmatch(r"step-([0-9]{8}|[1-9][0-9]{8,})", path.name)
    return int(match.group(1)) if match else None


def create(runs_dir: Path, name: str, now: float) -> RunDir:
    """Make `runs_dir/<YYYYmmdd-HHMMSS>-<name>/`, local time, mode 0700; a taken name gets `-2`, `-3`, ….

    Raises OSError where the directory cannot be made.
    """
    runs_dir.mkdir(parents=True, exist_ok=True)
    stem = (
        time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        + "-"
        + (_NAME.sub("-", name)[:_NAME_LENGTH].strip("-.") or "run")
    )
    for attempt in range(1, 1000):
        path = runs_dir / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunDir(path)
    raise FileExistsError(f"{runs_dir}: a thousand runs named {stem}")


def point(link: Path, target: str) -> None:
    """Make `link` a relative symlink to `target`, atomically. Readers see the old or the new one, never none."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def point_latest(run: RunDir) -> None:
    point(run.path.parent / LATEST, run.id)


def is_run(path: Path) -> bool:
    """Whether a directory is a run: it has its run.json, or the files a copy under way starts with."""
    # os.path, as Path.is_file raises on a directory that we may not enter: somebody else's run among ours.
    return any(os.path.isfile(path / name) for name in (RUN_JSON, "status.json", "metrics.jsonl"))  # noqa: PTH113


def find_runs(runs_dir: Path) -> list[RunDir]:
    """All runs directly under a directory, newest name first; symlinks (`latest`) are not counted twice.

    Names that begin with a dot are nobody's business but their writer's.
    """
    try:
        entries = list(os.scandir(runs_dir))
    except OSError:
        return []
    directories = [e for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
    found = [RunDir(Path(e.path)) for e in directories if is_run(Path(e.path))]
    return sorted(found, key=lambda run: run.id, reverse=True)


def resolve(reference: str, runs_dir: Path) -> RunDir:
    """The run behind a path or an id (`latest` included, symlinks followed).

    Raises RunNotFoundError with a text that names what was looked for and the runs there are.
    """
    for candidate in (Path(reference), runs_dir / reference):
        if os.path.isdir(candidate) and is_run(candidate):  # noqa: PTH112 - a text of any length may be asked for
            return RunDir(candidate.resolve())
    near = [run.id for run in find_runs(runs_dir)][:3]
    hint = f"newest there: {', '.join(near)}" if near else f"there are no runs in {runs_dir}/"
    raise RunNotFoundError(f"no run {reference!r} as a path or under {runs_dir}/; {hint}")
