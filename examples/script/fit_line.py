"""A script that is watched and steered by five calls: it fits a line by gradient descent, in plain numpy.

python examples/script/fit_line.py          then, beside it:  trainwatch   ·   traind pause latest   ·   …
"""

import argparse
import time
from pathlib import Path

import numpy as np

from rundir.writer import RunWriter


def main() -> None:
    """Trains for `--steps`, or until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--step-s", type=float, default=0.02, help="what a step takes at least, to watch it")
    arguments = parser.parse_args()

    rng = np.random.default_rng(7)
    x = rng.normal(size=1000)
    y = 3 * x + 2 + rng.normal(scale=0.5, size=1000)
    train, held_out = slice(0, 800), slice(800, 1000)
    weights, lr = np.zeros(2), 0.01

    config = {"train": {"lr": lr}, "data": {"num_points": len(x)}}
    with RunWriter(
        arguments.runs_dir, name="fit-line", total_steps=arguments.steps, config=config, takes=("checkpoint", "lr")
    ) as run:

        def save(step: int, reason: str) -> None:
            path = run.dir.path / f"weights-{step}.npy"
            np.save(path, weights)
            run.saved(step, path, reason=reason)

        is_told_to_stop, step = False, 0
        while step < arguments.steps and not is_told_to_stop:
            step += 1
            batch = rng.choice(x[train].size, size=32)
            error = weights[0] * x[batch] + weights[1] - y[batch]
            gradient = np.array([(error * x[batch]).mean(), error.mean()])
            weights = weights - lr * gradient
            run.log(step, loss=(error**2).mean(), lr=lr, grad_norm=np.linalg.norm(gradient), slope=weights[0])

            if step % 100 == 0:
                rest = weights[0] * x[held_out] + weights[1] - y[held_out]
                run.eval(step, (rest**2).mean(), mae=np.abs(rest).mean())

            for order in run.orders():  # a pause holds in here
                match order.verb:
                    case "stop":
                        is_told_to_stop = True
                    case "checkpoint":
                        save(step, "order")
                    case "set":
                        lr = order.args["lr"]
            time.sleep(arguments.step_s)
        save(step, "stop" if is_told_to_stop else "end")
        print(Path(run.dir.path), f"y = {weights[0]:.2f} x + {weights[1]:.2f}")


if __name__ == "__main__":
    main()
