"""The Trainer of transformers, watched and steered: a tiny GPT-2 learns to count, on a CPU, without a network.

python examples/huggingface/tiny_lm.py      then, beside it:  trainwatch   ·   traind set latest lr=1e-4   ·   …
"""

import argparse

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from rundir.integrations.huggingface import RunCallback

VOCABULARY = 32


def examples(num: int, length: int = 16) -> list[dict[str, torch.Tensor]]:
    """Each counts up from a number of its own."""
    rows = [(torch.arange(length) + start) % VOCABULARY for start in range(num)]
    return [{"input_ids": row, "labels": row} for row in rows]


def main() -> None:
    """Trains for `--steps`, or until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--output-dir", default="runs/tiny-lm")
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=VOCABULARY, n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None
    )
    trainer = Trainer(
        model=GPT2LMHeadModel(shape),
        args=TrainingArguments(
            output_dir=arguments.output_dir,
            max_steps=arguments.steps,
            learning_rate=1e-2,
            lr_scheduler_type="linear",
            logging_steps=1,
            eval_strategy="steps",
            eval_steps=50,
            save_steps=100,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=examples(64),
        eval_dataset=examples(8),
        callbacks=[RunCallback(arguments.runs_dir, name="tiny-lm")],
    )
    trainer.train()


if __name__ == "__main__":
    main()
