"""Lightning's Trainer, watched and steered: one linear layer learns a line, on a CPU.

pip install lightning
python examples/lightning/line.py           then, beside it:  trainwatch   ·   traind set latest lr=1e-3   ·   …
"""

import argparse

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from rundir.integrations.lightning import RunCallback


class Line(LightningModule):
    """y = a x + b, by SGD whose rate falls linearly to zero."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.layer = torch.nn.Linear(1, 1)

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        x, y = batch
        return torch.nn.functional.mse_loss(self.layer(x), y)

    def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
        loss = self._loss(batch)
        self.log("train_loss", loss)
        self.log("slope", self.layer.weight[0, 0])
        return loss

    def validation_step(self, batch: list[torch.Tensor], _index: int) -> None:
        loss = self._loss(batch)
        self.log("val_loss", loss)
        self.log("val_rmse", loss.sqrt())

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        optimizer = torch.optim.SGD(self.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / self.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main() -> None:
    """Trains for `--steps`, or until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    x = torch.randn(256, 1)
    data = TensorDataset(x, 3 * x + 2 + 0.1 * torch.randn(256, 1))
    trainer = Trainer(
        accelerator="cpu",
        max_steps=arguments.steps,
        max_epochs=-1,
        log_every_n_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[RunCallback(arguments.runs_dir, name="line")],
    )
    trainer.fit(Line(arguments.steps), DataLoader(data, batch_size=32), DataLoader(data, batch_size=256))


if __name__ == "__main__":
    main()
