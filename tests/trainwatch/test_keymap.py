"""Keys in a file: what may stand there, what is said of what may not, and what comes of it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.status import State
from tests.trainwatch.test_actions import now
from trainwatch import actions, keymap
from trainwatch.actions import ACTIONS
from trainwatch.cli import main
from trainwatch.keyname import KEYS, key_of, shown, written
from trainwatch.paint import text_of
from trainwatch.panes.footer import paint_keys
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.screens.system import SystemScreen


@pytest.fixture(autouse=True)
def no_keys_of_mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield
    keymap.use({})


def keys(screen: str) -> dict[str, str]:
    return {row.name: row.key for row in keymap.rows(screen)}


def test_the_nearest_section_says_it() -> None:
    keymap.use(
        keymap.parse(
            '[everywhere]\nquit = "Q"\nlog = "L"\n[charts]\nzoom-in = "i"\nlog = "ctrl+y"\n[compare]\nzoom-in = "I"\n'
        )
    )
    assert [keys(screen)["quit"] for screen in keymap.SCREENS] == ["Q"] * len(keymap.SCREENS)
    assert keys("run")["zoom-in"] == keys("metrics")["zoom-in"] == "i"
    assert keys("compare")["zoom-in"] == "I"
    assert keys("run")["log"] == "ctrl+y"
    assert keys("run")["pause"] == "p"


def test_an_empty_key_leaves_it_to_the_palette_and_a_new_one_takes_it_from_there() -> None:
    keymap.use(keymap.parse('[run]\nstop = ""\nkill = "ctrl+k"\n'))
    assert keys("run")["stop"] == ""
    assert keys("run")["kill"] == "ctrl+k"
    rows = [row for row in keymap.rows("run") if row.name in {action.name for action in ACTIONS}]
    line = text_of(paint_keys(now(State.RUNNING), 200, actions=rows))
    assert "stop" not in line
    assert "ctrl+k kill" in line


def test_pause_and_resume_may_share_a_key_wherever_it_is() -> None:
    keymap.use(keymap.parse('[run]\npause = "P"\nresume = "P"\n'))
    assert keys("run")["pause"] == keys("run")["resume"] == "P"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rum]\n", "[rum]: there is no such screen, did you mean run?; there are everywhere, charts, runs, run"),
        ('[run]\npuase = "P"\n', "[run] puase: there is no such action, did you mean pause?"),
        ('[charts]\npause = "P"\n', "[charts] pause: there is no such action"),
        ('[run]\npause = "ctlr+p"\n', '[run] pause: there is no key "ctlr+p"; a key is a character, or a name such as'),
        ("[run]\npause = 3\n", '[run] pause: must be a key in quotation marks, as in pause = "P"'),
        ('run = "x"\n', "run: write [run] on a line of its own"),
        ('[run]\npause = "k"\n', "[run] pause: k is the key of park on the screen run; give one of the two another"),
        ('[charts]\nzoom-in = "z"\n', "[charts] zoom-in: z is the key of zoom on the screen run"),
        ('[everywhere]\nhelp = "/"\n', "[everywhere] help: / is the key of filter on the screen runs"),
        ('[run]\npause = "3"\n', "[run] pause: 3 has a fixed meaning on the screen run"),
        ('[metrics]\nopen = "ctrl+p"\n', "[metrics] open: ctrl+p has a fixed meaning on the screen metrics"),
        ("[run\n", "is no TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_its_cure(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text, encoding="utf-8")
    assert main([str(tmp_path), "--keys", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"trainwatch: {file}: {said}")
    assert error.count("\n") == 1


def test_a_file_that_is_named_must_be_there_and_the_usual_one_need_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keymap.read(None) == {}
    assert main(["--keys", str(tmp_path / "no.toml")]) == 2
    assert "no such file; `trainwatch --print-keys > " in capsys.readouterr().err
    usual = tmp_path / "config" / "trainwatch" / "keys.toml"
    usual.parent.mkdir(parents=True)
    usual.write_bytes(b'[run]\npause = "P"\n')
    assert keymap.read(None) == {"run": {"pause": "P"}}
    usual.write_bytes(b"\xff")
    assert main([str(tmp_path)]) == 2
    assert f"trainwatch: {usual}: cannot be read: " in capsys.readouterr().err


def test_what_is_printed_names_every_action_once_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-keys"]) == 0
    text = capsys.readouterr().out
    assert keymap.parse(text) == {section: {} for section in keymap.sections()}
    lines = re.sub(r"^# (\S+ = )", r"\1", text, flags=re.MULTILINE)
    said = tomllib.loads(lines)
    keymap.use(keymap.parse(lines))
    for screen, table in keymap.SCREENS.items():
        assert [row.key for row in keymap.rows(screen)] == [row.key for row in table]
        for row in table:
            assert sum(row.name in said[section] for section in (screen, "charts", "everywhere")) == 1


def test_the_fixed_keys_are_those_that_the_screens_bind_besides() -> None:
    for kind in (RunsScreen, RunScreen, GalleryScreen, CompareScreen, EventsScreen, EvidenceScreen, SystemScreen):
        bound = {binding.key for binding in vars(kind).get("BINDINGS", ())}
        fixed = {key for key in keymap.FIXED.get(kind.SCREEN, ()) if "ctrl" not in key}
        assert bound == fixed, kind


def test_keys_as_they_are_typed_written_and_shown() -> None:
    typed = {
        "P": "P", "+": "plus", "-": "minus", "shift+p": "P", "Escape": "escape", "esc": "escape", "ctrl+i": "tab",
        "[": "left_square_bracket", "Ctrl+S": "ctrl+s", "alt+/": "alt+slash", "F5": "f5", "PgDn": "pagedown",
    }  # fmt: skip
    assert {text: key_of(text) for text in typed} == typed
    for text in ("ctrl+", "escap", "ctrl+ctrl+a", "\x1b", "ab"):
        with pytest.raises(ValueError, match=re.escape(text)):
            key_of(text)
    for key in KEYS:
        assert key_of(written(key)) in (key, "tab", "enter")
    assert [shown(key) for key in ("left", "question_mark", "ctrl+slash", "q")] == ["←", "?", "ctrl+/", "q"]


def test_names_of_keys_are_those_of_textual() -> None:
    from textual.keys import _character_to_key

    for character in map(chr, range(33, 127)):
        assert key_of(character) == _character_to_key(character)


def test_every_table_of_actions_is_of_a_screen_that_a_file_may_name() -> None:
    registered = {id(row) for table in keymap.SCREENS.values() for row in table}
    tables = {name: table for name, table in vars(actions).items() if name.endswith("ACTIONS")}
    assert len(tables) >= 5
    assert {name for name, table in tables.items() if any(id(row) not in registered for row in table)} == set()
