"""When a crashed trainer is started again."""

from traind.policy import FIRST_DELAY_S, LONGEST_DELAY_S, Crash, after_crash


def killed(at: float, step: int = 5) -> Crash:
    return Crash(at, step, "killed by SIGKILL", is_exception=False)


def raised(at: float, step: int | None = 5, cause: str = "ValueError: x") -> Crash:
    return Crash(at, step, cause, is_exception=True)


def test_the_first_crash_restarts_soon_and_later_ones_later() -> None:
    assert after_crash([killed(0)], 9, 600).delay_s == FIRST_DELAY_S
    assert after_crash([killed(0), killed(1), killed(2)], 9, 600).delay_s == 4 * FIRST_DELAY_S
    assert after_crash([killed(t) for t in range(20)], 30, 600).delay_s == LONGEST_DELAY_S


def test_too_many_crashes_in_the_window_fail_the_run() -> None:
    crashes = [killed(t) for t in range(4)]
    assert after_crash(crashes, 3, 600).give_up is not None
    assert after_crash(crashes[:3], 3, 600).give_up is None
    assert after_crash([killed(t * 1000.0) for t in range(9)], 3, 600).give_up is None


def test_the_same_exception_at_the_same_step_twice_fails_the_run() -> None:
    verdict = after_crash([raised(0), raised(1)], 9, 600)
    assert verdict.give_up is not None
    assert "step 5" in verdict.give_up
    assert after_crash([raised(0), raised(1, step=6)], 9, 600).give_up is None
    assert after_crash([raised(0), raised(1, step=None)], 9, 600).give_up is None
    loading = after_crash([raised(0, step=None), raised(1, step=None)], 9, 600)
    assert "while loading twice" in (loading.give_up or "")
    assert after_crash([raised(0), raised(1, cause="KeyError: y")], 9, 600).give_up is None
    assert after_crash([killed(0), killed(1)], 9, 600).give_up is None
