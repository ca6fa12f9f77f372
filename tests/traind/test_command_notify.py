"""`traind notify-test`: one message to everybody that is named, and what became of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.layout import RunDir
from tests.process.tiny_run import CONFIG
from tests.traind.notify.receiver import SECRET, Receiver, receiving
from traind import exit_code
from traind.cli import main
from traind.config import ConfigError, check, dump, load


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def config(tmp_path: Path, receiver: Receiver) -> Path:
    urls = tmp_path / "urls"
    urls.write_text(f"{receiver.url}\n", encoding="utf-8")
    urls.chmod(0o600)
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG.format(data="tiny.jsonl") + '[notify]\nurls_file = "urls"\n', encoding="utf-8")
    return path


def test_a_configuration_is_tried(config: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify-test", str(config), "--set", 'notify.command=["false"]']) == exit_code.FAILED
    assert receiver.titles == ["traind: a test message"]
    assert capsys.readouterr().out == "target 1 (json): ok\ncommand false: ended with exit status 1\n"


def test_a_run_is_tried_and_a_failure_said(
    config: Path, receiver: Receiver, run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir.config_toml.write_bytes(dump(load(config)))
    run_dir.metrics.touch()
    receiver.answers = [404]
    assert main(["notify-test", str(run_dir.path)]) == exit_code.FAILED
    assert capsys.readouterr().out == "target 1 (json): refused with HTTP 404\n"
    assert SECRET not in run_dir.config_toml.read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["notify-test", "start"])
def test_a_file_that_others_may_read_is_refused(
    verb: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "urls").chmod(0o644)
    assert main([verb, str(config), "--runs-dir", str(tmp_path / "runs")]) == exit_code.MISTAKE
    said = capsys.readouterr().err
    assert f"notify.urls_file = '{tmp_path / 'urls'}': others may read or write it (mode 644); chmod 600 it" in said
    assert SECRET not in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("notify", "fault"),
    [
        ({"severity": "critical"}, "notify: names nobody to tell; give notify.urls_env, urls_file or command"),
        ({"urls_env": "A", "urls_file": "b"}, "notify.urls_file: there is notify.urls_env as well; give one of"),
        ({"command": [""]}, "notify.command: begins with an empty text"),
        (
            {"urls_env": "A", "quiet_hours": "22-7"},
            "notify.quiet_hours = '22-7': unknown value; it is: \"22:00-07:00\"",
        ),
        ({"urls_env": "A", "quiet_hours": "22:00-24:00"}, "notify.quiet_hours = '22:00-24:00'"),
        ({"urls_env": "A", "severity": "info"}, "notify.severity = 'info': unknown value; one of critical, warning"),
        ({"urls": "json://a"}, "notify.urls: unknown key; did you mean"),
    ],
)
def test_a_fault_names_file_key_and_cure(notify: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check({"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}, "notify": notify}, "my.toml")
    assert f"my.toml: {fault}" in str(raised.value)


def test_nobody_to_tell_is_a_mistake(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(CONFIG.format(data="tiny.jsonl"), encoding="utf-8")
    assert main(["notify-test", str(config)]) == exit_code.MISTAKE
    assert f"{config}: notify: names nobody to tell" in capsys.readouterr().err
