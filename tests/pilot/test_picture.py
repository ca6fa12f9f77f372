"""What draws the documents' pictures: a run's page after some keys, read to its end."""

from pathlib import Path

from docs.picture import draw
from tests.trainwatch.checkpoints import put_checkpoint
from tests.trainwatch.runs import append, make_run, steps


async def test_a_picture_has_what_the_keys_lead_to(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(100))
    append(run.events, [put_checkpoint(run, 50)])
    svg = await draw(str(run.path), (80, 24), ["6"], "dark")
    assert "checkpoints" in svg
    assert "100&#160;steps" in svg
    past = await draw(str(run.path), (80, 24), ["at", "5", "0", "enter"], "light")
    assert "as&#160;of&#160;step&#160;50" in past
