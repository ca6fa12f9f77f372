"""What the command line does before there is a dashboard."""

import resource

import pytest

from trainwatch import cli

NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ((1024, 524_288), (cli.MOST_FILES, 524_288)),
        ((256, NO_LIMIT), (cli.MOST_FILES, NO_LIMIT)),
        ((1024, 4096), (4096, 4096)),
        ((1024, 1024), None),
        ((65_536, 524_288), None),
        ((NO_LIMIT, NO_LIMIT), None),
    ],
)
def test_as_many_files_as_it_may_have(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], asked: tuple[int, int] | None
) -> None:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: calls.append(wanted))
    cli._allow_files()
    assert calls == ([asked] if asked else [])
