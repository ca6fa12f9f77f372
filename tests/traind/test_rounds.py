"""What the supervisor writes down every so often."""

from rundir.layout import RunDir
from rundir.records import SYSTEM_DECODER, decode_lines
from rundir.status import State, Status
from traind.config import Config
from traind.rounds import Rounds


def test_a_sample_of_the_machine_says_how_long_the_console_was(run_dir: RunDir) -> None:
    rounds = Rounds(run_dir, Config(), Status(run=run_dir.id, state=State.RUNNING))
    rounds.write_what_is_due(100.0, [])
    run_dir.console.write_text("twelve bytes", encoding="utf-8")
    rounds.write_what_is_due(200.0, [])
    samples = decode_lines(run_dir.system.read_bytes(), SYSTEM_DECODER).records
    assert [sample.console_bytes for sample in samples] == [0, 12]
