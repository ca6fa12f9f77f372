"""Where messages go is read from a private place, and no fault repeats it."""

import os
from pathlib import Path

import pytest

from tests.traind.notify.receiver import SECRET
from traind.config_notify import Notify
from traind.notify import address
from traind.notify.address import AddressError

URL = f"tgram://{SECRET}/123"


def written(path: Path, text: str, mode: int = 0o600) -> Notify:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return Notify(urls_file=str(path))


def test_one_url_a_line_from_either_place(tmp_path: Path) -> None:
    text = f"# mine\n\n  {URL}  \njson://localhost\n"
    expected = [URL, "json://localhost"]
    assert address.read(written(tmp_path / "urls", text), {}) == expected
    assert address.read(Notify(urls_env="MINE"), {"MINE": text}) == expected
    assert [address.scheme(url) for url in expected] == ["tgram", "json"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(AddressError, match=r"notify\.urls_file = .*mode 6\d\d\); chmod 600") as raised:
        address.read(written(tmp_path / "urls", URL, mode), {})
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "cure"),
    [("", "no URL; write"), ("# none\n", "no URL; write"), (f"{URL}\n{SECRET}\n", "URL 2 does not begin with")],
)
def test_a_file_without_urls_is_a_fault_that_repeats_nothing(tmp_path: Path, text: str, cure: str) -> None:
    with pytest.raises(AddressError, match=cure) as raised:
        address.read(written(tmp_path / "urls", text), {})
    assert SECRET not in str(raised.value)


def test_what_is_no_file_is_a_fault_and_nothing_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, why in (("pipe", "is no regular file"), ("none", "No such file"), (".", "regular|directory")):
        with pytest.raises(AddressError, match=why):
            address.read(Notify(urls_file=str(tmp_path / name)), {})


def test_a_missing_variable_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINE", raising=False)
    [fault] = address.faults(Notify(urls_env="MINE"))
    assert fault == "notify.urls_env = 'MINE': no such environment variable here; set it to apprise URLs, one a line"
    monkeypatch.setenv("MINE", URL)
    assert address.faults(Notify(urls_env="MINE")) == []
    assert address.faults(Notify(command=["true"])) == []


def test_a_missing_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    [fault] = address.faults(Notify(urls_env="MINE"))
    assert "pip install 'trainwatch[notify]'" in fault
