"""Messages reach a real server by a real process, later if need be, and nothing waits for them."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.traind.notify.conftest import notice
from tests.traind.notify.receiver import SECRET, Receiver
from traind.config_notify import Notify
from traind.notify.courier import QUEUE_LIMIT, Courier, Word
from traind.notify.errand import Errand, Results, run_command, send

Make = Callable[..., Courier]


@pytest.fixture
def courier(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Courier] = []

    def make(urls: str, **options: object) -> Courier:
        monkeypatch.setenv("MINE", urls)
        made.append(Courier(Notify(urls_env="MINE"), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.quit()


def arrived(one: Courier) -> list[Word]:
    """What was said until nothing was on its way."""
    eventually(lambda: one.num_open == 0, 30.0)
    return one.words()


def test_a_message_arrives(courier: Make, receiver: Receiver) -> None:
    one = courier(receiver.url)
    assert one.take(notice("run: alert", text="more\nthan a line"), is_command=False)
    assert arrived(one) == []
    [body] = receiver.bodies
    assert (body["title"], body["message"], body["type"]) == ("run: alert", "more\nthan a line", "warning")


def test_only_the_target_that_failed_is_tried_again(courier: Make, receiver: Receiver) -> None:
    """Of two targets the second is refused once."""
    receiver.answers = [200, 503]
    one = courier(f"{receiver.url}/a\n{receiver.url}/b", delays_s=(0.01, 0.01))
    one.take(notice(), is_command=False)
    first, last = arrived(one)
    assert first.text == "target 2 (json) refused with HTTP 503; tried again in 0.01 s"
    assert (last.text, last.was_sent) == ("sent at try 2", True)
    assert [path[-1] for path in receiver.paths] == ["a", "b", "b"]
    assert len(receiver.bodies) == 2


def test_one_that_never_gets_through_is_given_up_and_said_without_its_url(courier: Make, receiver: Receiver) -> None:
    receiver.answers = [500] * 9
    one = courier(receiver.url, delays_s=(0.01,))
    one.take(notice(), is_command=False)
    _, last = arrived(one)
    assert (last.text, last.is_over) == ("target 1 (json) refused with HTTP 500; given up after 2 tries", True)
    assert SECRET not in last.text


def test_what_no_try_would_mend_is_given_up_at_once(courier: Make) -> None:
    one = courier(f"nosuch://{SECRET}\n")
    one.take(notice(), is_command=False)
    [word] = arrived(one)
    assert word.text.startswith("target 1 (nosuch) is no URL that apprise knows")
    assert word.text.endswith("given up")
    assert SECRET not in word.text


def test_what_waits_for_its_next_try_is_tried_at_once_when_the_run_has_ended(courier: Make, receiver: Receiver) -> None:
    one = courier(receiver.url, delays_s=(600.0,))
    receiver.answers = [500]
    one.take(notice(), is_command=False)
    [first] = eventually(one.words, 30.0)
    assert first.text == "target 1 (json) refused with HTTP 500; tried again in 600 s"
    one.last_call()
    *_, last = arrived(one)
    assert last.text == "sent at try 2"


def test_nobody_there_is_said(courier: Make, receiver: Receiver) -> None:
    one = courier("json://127.0.0.1:9/", delays_s=())
    one.take(notice(), is_command=False)
    [word] = arrived(one)
    assert word.text == "target 1 (json) could not be reached; given up"


def test_a_server_that_hangs_holds_nobody_up(courier: Make, receiver: Receiver) -> None:
    receiver.is_open.clear()
    one = courier(receiver.url)
    took_s = []
    for _ in range(QUEUE_LIMIT):
        began = time.monotonic()
        assert one.take(notice(), is_command=False)
        took_s.append(time.monotonic() - began)
    assert not one.take(notice(), is_command=False)  # bounded
    eventually(lambda: receiver.paths, 30.0)
    assert sorted(took_s)[QUEUE_LIMIT // 2] < 0.01
    one.quit()
    eventually(lambda: not any(thread.name == "courier" for thread in threading.enumerate()))


def test_the_process_that_sends_has_a_time_limit(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.is_open.clear()
    monkeypatch.setenv("MINE", receiver.url)
    found = send(Errand(notify=Notify(urls_env="MINE"), notice=notice()), limit_s=0.5)
    assert found.fault == "the process that sends was ended after 0.5 s"


def test_a_try_that_came_to_nothing_gives_the_others_no_second_copy(
    courier: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second target fails once, then the process that sends does."""
    receiver.answers = [200, 503]
    tries: list[Errand] = []

    def faulty(errand: Errand, **options: Any) -> Results:
        tries.append(errand)
        return Results(fault="the process that sends was ended") if len(tries) == 2 else send(errand, **options)

    monkeypatch.setattr("traind.notify.courier.send", faulty)
    one = courier(f"{receiver.url}/a\n{receiver.url}/b", delays_s=(0.01, 0.01))
    one.take(notice(), is_command=False)
    *_, last = arrived(one)
    assert last.text == "sent at try 3"
    assert [path[-1] for path in receiver.paths] == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ('print(\'{"fault": "\\udcff"}\')', "ended with exit status 0"),
        ("os.kill(os.getpid(), 40)", "was ended by signal 40"),
    ],
)
def test_what_no_courier_would_say_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, fault: str
) -> None:
    """No UTF-8 from a plugin, an end by a signal without a name."""
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable} -S\nimport os, sys\nsys.stdout.reconfigure(errors='surrogateescape')\n{code}\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    found = send(Errand(notify=Notify(urls_env="MINE"), notice=notice()))
    assert found.fault == f"the process that sends {fault}"


def test_an_address_that_is_gone_is_a_fault_and_no_crash() -> None:
    found = send(Errand(notify=Notify(urls_file="/nowhere/urls"), notice=notice()))
    assert "notify.urls_file = '/nowhere/urls': cannot be read" in found.fault


# --- a command ----------------------------------------------------------------------------------------------------


def script(tmp_path: Path, code: str) -> list[str]:
    (tmp_path / "hook.py").write_text(code, encoding="utf-8")
    return [sys.executable, "-S", str(tmp_path / "hook.py"), str(tmp_path / "got")]


def test_a_command_gets_the_message_as_json(tmp_path: Path) -> None:
    argv = script(tmp_path, "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())")
    one = Courier(Notify(command=argv))
    one.take(notice("a; rm -rf $HOME", alert={"rule": "divergence"}), is_command=True)
    assert arrived(one) == []
    got = json.loads((tmp_path / "got").read_text(encoding="utf-8"))
    assert (got["title"], got["severity"], got["alert"]) == ("a; rm -rf $HOME", "warning", {"rule": "divergence"})
    one.quit()


def test_no_text_of_a_run_stops_the_courier(tmp_path: Path) -> None:
    """A directory whose name is no UTF-8, a figure that JSON has no word for, a null byte in the command."""
    argv = script(tmp_path, "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())")
    one = Courier(Notify(command=argv))
    one.take(notice(directory="/runs/\udcff", alert={"evidence": {"loss": float("nan")}}), is_command=True)
    assert arrived(one) == []
    got = json.loads((tmp_path / "got").read_text(encoding="utf-8"))
    assert (got["directory"], got["alert"]) == ("/runs/?", {"evidence": {"loss": "nan"}})
    one.quit()
    assert "could not be started" in run_command(["a\0b"], notice(), 0.5)


def test_a_command_that_fails_is_said_and_not_tried_again(tmp_path: Path) -> None:
    one = Courier(Notify(command=script(tmp_path, "import sys; print('x' * 10**6); sys.exit(3)")))
    one.take(notice(), is_command=True)
    [word] = arrived(one)
    assert word.text == "notify.command ended with exit status 3; given up"
    one.quit()


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    code = "import subprocess, sys; subprocess.run(['sleep', '600'])"
    assert run_command(script(tmp_path, code), notice(), 0.5) == "was ended after 0.5 s"
    assert "could not be started" in run_command(["/nowhere/hook"], notice(), 0.5)
