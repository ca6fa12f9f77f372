"""How runs are made, named, found and pointed at, and what discovery makes of what is no run."""

import os
import re
import stat
from pathlib import Path

import pytest

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError

NOW = 1_700_000_000.0


def made(runs: Path, name: str = "ner", now: float = NOW) -> RunDir:
    run = layout.create(runs, name, now)
    run.run_json.write_text("{}")
    return run


def test_a_run_is_private_and_named_by_time(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        run = layout.create(tmp_path / "new" / "runs", "ner", NOW)
    finally:
        os.umask(old)
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert re.fullmatch(r"\d{8}-\d{6}-ner", run.id)


def test_runs_of_the_same_second_get_numbers(tmp_path: Path) -> None:
    ids = [layout.create(tmp_path, "ner", NOW).id for _ in range(3)]
    assert [run_id.split("-ner")[1] for run_id in ids] == ["", "-2", "-3"]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("a/b", "a-b"),
        ("../../etc", "etc"),
        ("", "run"),
        ("...", "run"),
        ("\x1b[31mred", "31mred"),
        ("Größe 3", "Gr-e-3"),
        ("x\n", "x"),
        ("n" * 400, "n" * 100),
        ("\udcff", "run"),
    ],
)
def test_a_name_is_made_harmless(tmp_path: Path, name: str, end: str) -> None:
    run = layout.create(tmp_path, name, NOW)
    assert run.id[16:] == end
    assert run.path.parent == tmp_path


def test_latest_is_a_relative_link_that_is_replaced(tmp_path: Path) -> None:
    first, second = made(tmp_path, "first"), made(tmp_path, "second")
    layout.point_latest(first)
    layout.point_latest(second)
    assert (tmp_path / "latest").readlink() == Path(second.id)
    assert layout.resolve("latest", tmp_path).id == second.id
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.id, second.id, "latest"])


def test_runs_are_found_newest_first_and_once(tmp_path: Path) -> None:
    runs = [made(tmp_path, f"r{n}", NOW + 10 * n) for n in range(3)]
    layout.point_latest(runs[0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "away").symlink_to("/")
    assert [run.id for run in layout.find_runs(tmp_path)] == [run.id for run in reversed(runs)]


def test_no_directory_holds_no_runs(tmp_path: Path) -> None:
    assert layout.find_runs(tmp_path / "missing") == []
    (tmp_path / "file").touch()
    assert layout.find_runs(tmp_path / "file") == []


@pytest.mark.parametrize("name", ["run.json", "status.json", "metrics.jsonl"])
def test_a_copy_under_way_is_a_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "copy").mkdir()
    assert not layout.is_run(tmp_path / "copy")
    (tmp_path / "copy" / name).touch()
    assert layout.is_run(tmp_path / "copy")
    assert [run.id for run in layout.find_runs(tmp_path)] == ["copy"]
    (tmp_path / "copy").rename(tmp_path / ".copy")  # nobody's business but its writer's
    assert layout.find_runs(tmp_path) == []


def test_a_directory_named_like_a_file_of_ours_is_none(tmp_path: Path) -> None:
    (tmp_path / "odd" / "run.json").mkdir(parents=True)
    assert layout.find_runs(tmp_path) == []


def test_a_run_answers_to_its_path_its_id_and_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path / "runs")
    (tmp_path / "elsewhere").symlink_to(run.path)
    monkeypatch.chdir(run.path)
    for reference in (str(run.path), run.id, str(tmp_path / "elsewhere"), "."):
        assert layout.resolve(reference, tmp_path / "runs").path == run.path


@pytest.mark.parametrize("reference", ["nothing", "\x00", "x" * 5000, "latest", "a/b/c"])
def test_what_is_no_run_is_said_with_a_hint(tmp_path: Path, reference: str) -> None:
    (tmp_path / "latest").symlink_to("gone")
    with pytest.raises(RunNotFoundError, match="there are no runs in"):
        layout.resolve(reference, tmp_path)
    run = made(tmp_path)
    with pytest.raises(RunNotFoundError, match=f"newest there: {run.id}"):
        layout.resolve(reference, tmp_path)


@pytest.mark.parametrize("step", [0, 1, 1200, 99_999_999, 100_000_000, 10**12])
def test_checkpoint_names_come_back(tmp_path: Path, step: int) -> None:
    assert layout.checkpoint_step(RunDir(tmp_path).checkpoint(step)) == step


@pytest.mark.parametrize(
    "name", ["latest", "best", "superseded", "step-1", "step-000000012", "step-٠٠٠٠٠٠١٢", ".step-00000001.tmp", "step-"]
)
def test_other_names_are_no_checkpoints(name: str) -> None:
    assert layout.checkpoint_step(Path(name)) is None


def test_every_path_lies_in_the_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property) and name != "id"]
    paths = [getattr(run, name) for name in names]
    assert len(set(paths)) == len(paths)
    assert all(tmp_path in path.parents for path in paths)
