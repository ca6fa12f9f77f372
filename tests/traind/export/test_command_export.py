"""`traind export` as it is typed: where things go, what is said, how it ends."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import eventually
from tests.traind.export import stories
from traind.cli import main
from traind.export import FORMATS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", ["golden", "empty", "scored"])
@pytest.mark.parametrize("to", FORMATS)
def test_every_run_goes_to_every_format(
    to: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = getattr(stories, kind)(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    assert main(["export", run.id, "--to", to]) == 0
    written = [tmp_path / line for line in capsys.readouterr().out.splitlines()]
    assert written
    assert all(path.stat().st_size > 0 for path in written)
    assert all(path.relative_to(tmp_path).parts[0].startswith(run.id) for path in written)


def test_a_log_is_printed_on_demand(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run = stories.golden(tmp_path)
    assert main(["export", str(run.path), "--to", "markdown", "--out", "-"]) == 0
    captured = capfdbinary.readouterr()
    assert captured.out.startswith(b"# Training log: golden\n")
    assert b"3 lines of 20270115-080000-golden are no records" in captured.err


@pytest.mark.parametrize("to", ["csv", "parquet", "tensorboard"])
def test_files_are_not_printed(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stories.empty(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run.path), "--to", to, "--out", "-"]) == 2
    assert f"{to} is files, not a text to print" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stories.empty(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", str(run.path), "--to", "parquet", "--out", str(tmp_path / "out")]) == 2
    assert "needs pyarrow, which is not installed; pip install 'trainwatch[export]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["export", "nowhere", "--to", "csv", "--runs-dir", str(tmp_path)]) == 2
    blocked = tmp_path / "file"
    blocked.touch()
    assert main(["export", str(run.path), "--to", "csv", "--out", str(blocked / "in")]) == 1
    assert f"cannot write {blocked}" in capsys.readouterr().err


def test_no_format_loads_torch_or_the_dashboard(tmp_path: Path) -> None:
    run = stories.golden(tmp_path)
    program = (
        "import sys; from traind.cli import main\n"
        f"for to in {list(FORMATS)!r}:\n"
        f"    assert main(['export', {str(run.path)!r}, '--to', to, '--out', {str(tmp_path / 'out')!r} + to]) == 0\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"plotly", "pyarrow", "tensorboard"} <= loaded
    assert not {"torch", "transformers", "textual", "trainwatch"} & loaded


def test_a_live_run_is_exported_as_far_as_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.synthetic_run", str(tmp_path / "runs"), "--steps", "50", "--live", "500"]
    with subprocess.Popen([*command, "--total", "1000000"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            run = Path(process.stdout.readline().strip())

            def export() -> int:
                """Steps that an export holds now, which must be all from the first."""
                assert main(["export", str(run), "--to", "csv", "--out", str(tmp_path / "csv")]) == 0
                steps = pd.read_csv(tmp_path / "csv" / "steps.csv")["step"].tolist()
                assert steps == list(range(1, len(steps) + 1))
                return len(steps)

            before = export()
            assert eventually(lambda: export() > before >= 50)
            assert main(["export", str(run), "--to", "markdown", "--out", str(tmp_path / "live.md")]) == 0
        finally:
            process.kill()
    assert "| state | running |" in (tmp_path / "live.md").read_text(encoding="utf-8")
    assert main(["export", str(run), "--to", "markdown", "--out", str(tmp_path / "dead.md")]) == 0
    assert "| state | dead (was running) |" in (tmp_path / "dead.md").read_text(encoding="utf-8")
