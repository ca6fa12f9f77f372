"""Which evaluation is the best so far."""

import pytest

from traind.best import is_better


@pytest.mark.parametrize(
    ("value", "best", "metric", "better"),
    [
        (0.5, None, "f1", True),
        (0.6, (0.5, 0.1), "f1", True),
        (0.5, (0.5, 0.4), "f1", True),
        (0.5, (0.5, 0.3), "f1", False),
        (0.4, (0.5, 0.5), "loss", True),
        (0.6, (0.5, 0.5), "loss", False),
        (float("nan"), None, "f1", False),
        (float("nan"), (0.1, 0.1), "loss", False),
        (9.0, (9.5, 0.5), "perplexity", True),
    ],
)
def test_what_is_better(value: float, best: tuple[float, float] | None, metric: str, better: bool) -> None:
    """The evaluation at hand has a loss of 0.3."""
    assert is_better(value, 0.3, best, metric) is better
