"""What stands in the place of a file of a run is looked at before it is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.regular import open_regular, read_regular
from rundir.status import State
from tests.trainwatch.runs import append, make_run, set_status, steps


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)
    assert read_regular(file) == b"x" * 100_000
    link = tmp_path / "link"
    link.symlink_to(file)
    assert len(read_regular(link)) == 100_000


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing", "loop"])
def test_anything_else_is_an_error_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match=path.name) as error:
        open_regular(path)
    assert isinstance(error.value, FileNotFoundError) is (kind == "nothing")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("names", [("metrics.jsonl",), ("status.json",), ("run.json", "config.toml", "remarks.json")])
def test_no_viewer_waits_for_a_pipe(tmp_path: Path, names: tuple[str, ...]) -> None:
    """In a process of its own: one that waits is ended."""
    run: RunDir = make_run(tmp_path)
    append(run.metrics, steps(20))
    set_status(run, State.DONE, step=20, total=20)
    for name in names:
        path = run.path / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    code = (
        "import sys; from pathlib import Path; from trainwatch.listing.scan import Scanner; "
        "from trainwatch.cli import main; "
        "batch = Scanner(Path(sys.argv[1])).poll(wanted=(), again=frozenset(), budget_s=5.0); "
        "assert len(batch.entries) == 1, batch; sys.exit(main([sys.argv[2], '--json']))"
    )
    words = [sys.executable, "-c", code, str(tmp_path), str(run.path)]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if "run.json" in names:
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 2
        assert result.stderr.strip().endswith("no regular file: " + repr(str(run.path / names[0]))), result.stderr
