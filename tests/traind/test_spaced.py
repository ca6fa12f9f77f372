"""Trying again at growing intervals."""

from traind.spaced import spaced


def test_tries_come_at_once_then_ever_more_seldom() -> None:
    now = 0.0
    tried: list[float] = []

    def attempt() -> bool:
        tried.append(now)
        return now >= 200

    ask = spaced(attempt, 1.0, lambda: now)
    while not ask():
        now += 0.5
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
