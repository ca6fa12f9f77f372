"""An example that trains in a thread of this process, while a test gives it orders and reads its run."""

import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rundir.control import Order, Verb, send
from rundir.layout import LATEST, RunDir
from rundir.records import EVENT_DECODER, METRICS_DECODER, OutcomeEvent, StepRecord, decode_lines
from rundir.status import Status, read_status
from tests.conftest import eventually

EXAMPLES = Path(__file__).parents[3] / "examples"


class Steered:
    """Owns the thread; its failure is the test's."""

    def __init__(self, example: str, runs_dir: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        path = EXAMPLES / example
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [str(path), "--runs-dir", str(runs_dir), *words])
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._train, args=(module.main,), daemon=True)
        self._thread.start()
        eventually(lambda: self.fault or (runs_dir / LATEST / "status.json").exists(), 60)
        self.run = RunDir((runs_dir / LATEST).resolve())
        eventually(lambda: self.fault or self.status.step > 1, 60)

    def _train(self, main: Any) -> None:
        try:
            main()
        except BaseException as error:  # noqa: BLE001 — told to the test's own thread
            self.fault = error

    @property
    def status(self) -> Status:
        found = read_status(self.run.status_json)
        assert found is not None
        return found

    @property
    def steps(self) -> list[StepRecord]:
        return [record for record in self.metrics if isinstance(record, StepRecord)]

    @property
    def metrics(self) -> list[Any]:
        return list(decode_lines(self.run.metrics.read_bytes(), METRICS_DECODER).records)

    @property
    def events(self) -> list[Any]:
        return list(decode_lines(self.run.events.read_bytes(), EVENT_DECODER).records)

    def order(self, verb: Verb, **args: Any) -> OutcomeEvent:
        """Give an order and wait for its outcome."""
        order_id = f"{verb}-{len(self.events)}"
        send(self.run, Order(verb=verb, id=order_id, args=args))

        def outcome() -> OutcomeEvent | None:
            assert self.fault is None
            found = (event for event in self.events if isinstance(event, OutcomeEvent) and event.order == order_id)
            return next(found, None)

        return eventually(outcome, 30)  # type: ignore[return-value]

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.fault is not None:
            raise self.fault
