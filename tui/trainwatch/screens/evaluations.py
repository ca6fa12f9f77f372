"""The page of evaluations: turns keys into looks at them. Decides nothing by itself and writes nothing."""

from collections.abc import Sequence

from rundir.records import EvalRecord
from trainwatch.evaluations.board import EvalBoard, Part, arrange_evaluations
from trainwatch.export.sheet import Texts, harmless
from trainwatch.layout import Layout
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.evaluations import HEAD_LINES, num_metrics, paint_evaluations, paint_part, part_lines
from trainwatch.panes.heat import num_columns
from trainwatch.scores import values_of
from trainwatch.screens.page import PageScreen
from trainwatch.widgets.pane import Pane

_MOVES = {"down": 1, "up": -1, "page-down": 10, "page-up": -10, "first": -(10**6), "last": 10**6}


class EvaluationsScreen(PageScreen):
    """Owns the board; the evaluations are the run page's."""

    SCREEN = "evals"
    HINTS = hints.EVALS
    FIRST_TO_GO = ("theme", "right", "down", "zoom", "best")

    board: EvalBoard | None = None

    def _board(self) -> EvalBoard:
        """Its evaluations are those of now: a log that was written anew has others."""
        scores = self.front.store.scores
        if self.board is None:
            self.board = EvalBoard(scores)
        self.board.scores = scores
        return self.board

    # --- painting ---------------------------------------------------------------------------------------------------

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_evaluations(self._board(), width, height)

    def paint_body(self, width: int, height: int) -> list[Row]:
        return paint_evaluations(self._board(), self.front.store.baseline, width, height)

    def paint_detail(self, width: int, height: int) -> list[Row]:
        return paint_part(self._board(), width, height)

    def renewed(self) -> None:
        self.place_panes()

    def data(self) -> Texts:
        board = self._board()
        metrics = board.metrics
        titles = ["step", "epoch", "trigger", "best", *map(harmless, metrics)]
        return Texts(titles, [_cells(record, metrics) for record in board.scores.records])

    # --- keys -------------------------------------------------------------------------------------------------------

    def do_here(self, action: str) -> None:
        board = self._board()
        if action in _MOVES:
            self._move(_MOVES[action])
        else:
            match action:
                case "right" | "left":
                    board.move_sideways(1 if action == "right" else -1, self._shift_limit(board))
                case "next" | "previous":
                    board.next_part(1 if action == "next" else -1)
                case "best":
                    if (best := board.scores.best_record) is not None:
                        board.choose(best)
                case _:
                    board.alone = not board.alone
        self.place_panes()

    def _move(self, by: int) -> None:
        """In the table another evaluation; in what there is of it, its lines."""
        board = self._board()
        if board.part is Part.TABLE or "detail" not in self.places:
            board.move(by)
            return
        place = self.places["detail"]
        head, lines = part_lines(board, board.part, place.width)
        limit = max(0, len(lines) - (place.height - 2 - len(head)))
        board.scroll[board.part] = max(0, min(board.scroll.get(board.part, 0) + by, limit))

    def _shift_limit(self, board: EvalBoard) -> int:
        width = self.size.width
        if board.part is Part.TABLE:
            return max(0, len(board.metrics) - num_metrics(width))
        record = board.record
        if board.part is Part.CONFUSION and record is not None:
            return max(0, len(record.labels or {}) - num_columns(record, width - 2))
        return 0

    def go_back(self) -> None:
        board = self._board()
        if board.alone:
            board.alone = False
            self.place_panes()
        else:
            self.app.pop_screen()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        board = self._board()
        if message.pane == "detail" and board.shown_detail is not None:
            board.part = board.shown_detail
        elif message.pane == "body":
            board.part = Part.TABLE
            at = board.top + message.y - HEAD_LINES
            if message.y >= HEAD_LINES and at < len(board.records):
                board.choose(board.records[at])
        self.repaint()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        board = self._board()
        part = board.part
        board.part = board.shown_detail if message.pane == "detail" and board.shown_detail is not None else Part.TABLE
        self._move(-message.lines if board.part is not Part.TABLE else (-1 if message.lines > 0 else 1))
        board.part = part
        self.repaint()


def _cells(record: EvalRecord, metrics: Sequence[str]) -> list[str]:
    values = values_of(record)
    return [
        str(record.step),
        "" if record.epoch is None else repr(record.epoch),
        record.trigger,
        str(record.best).lower(),
        *(repr(values[name]) if name in values else "" for name in metrics),
    ]
