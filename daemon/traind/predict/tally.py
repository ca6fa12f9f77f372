"""What is to be said when all texts are answered: how fast that was, how much was known by heart. Pure."""

from dataclasses import dataclass

from traind.predict.result import Generated, Prediction


@dataclass(slots=True)
class Tally:
    """Adds up a session."""

    count: int = 0
    spent_s: float = 0.0
    """In the model, without loading it and without waiting for texts."""
    num_compared: int = 0
    num_memorised: int = 0

    def add(self, prediction: Prediction) -> None:
        self.count += 1
        if isinstance(prediction, Generated) and prediction.memorised is not None:
            self.num_compared += 1
            self.num_memorised += prediction.memorised

    def lines(self) -> list[str]:
        """For a person; none when there was no text."""
        if not self.count:
            return []
        rate = self.count / max(self.spent_s, 1e-9)
        lines = [f"{self.count:,} text{'' if self.count == 1 else 's'} in {self.spent_s:.2f} s: {rate:,.1f} a second"]
        if self.num_compared:
            share = self.num_memorised / self.num_compared
            lines.append(
                f"{self.num_memorised:,} of {self.num_compared:,} ({share:.0%}) word for word in the training text"
            )
        return lines
