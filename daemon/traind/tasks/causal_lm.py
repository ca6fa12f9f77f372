"""Causal language modelling: texts end to end, the next token everywhere, perplexity, and samples to be looked at.

Owns how the parts beside it fit together; the loop, the optimizer and the checkpoints know nothing of them.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rundir.layout import RunDir
from rundir.records import Sample
from traind.config import Config, ConfigError
from traind.config_fault import LANGUAGE_METRICS
from traind.data.labels import IGNORED
from traind.tasks import lm_model, lora
from traind.tasks import model as models
from traind.tasks.features import Batch, Collator
from traind.tasks.generation import generate
from traind.tasks.lm_encoding import encode_plain, make_tokenizer
from traind.tasks.lm_tally import LmTally, count, loss_sum, unigram_scores
from traind.tasks.packing import PackedDataset, causal_windows, packed_batches
from traind.tasks.prepare import prepare
from traind.tasks.window import EncodedSet


class CausalLm:
    """The task of one run. Same configuration and data: same windows, order and weights, bit for bit."""

    metric_names = LANGUAGE_METRICS

    def __init__(
        self, config: Config, run: RunDir, *, alive: Callable[[], None], most_texts: int | None = None
    ) -> None:
        """Read or make the run's tokenised data. Raises ConfigError for a user's mistake, OSError on a full disk.

        `alive` is called between pieces of text and before each token that is written, so that orders are heard
        meanwhile; what it raises passes. `most_texts` takes a part of the data, as `part_of` does.
        """
        ready = prepare(
            config,
            run,
            alive,
            read_labels=None,
            encode=encode_plain,
            make_tokenizer=make_tokenizer,
            most_texts=most_texts,
        )
        self._config, self._alive, self._tokenizer = config, alive, ready.tokenizer
        self._train, self._eval = ready.data.train, ready.data.eval
        self.hashes = ready.data.hashes
        self.train_data = self._packed(self._train, own_only=False)
        self._eval_data = self._packed(self._eval, own_only=True)
        self.num_train = len(self.train_data)
        pad = ready.tokenizer.pad_token_id
        self.collate = Collator(ready.tokenizer.eos_token_id if pad is None else pad)
        self.num_classes = len(ready.tokenizer)
        counts = ready.data.summary
        # The end of a document counts as a character: see `scores`.
        self._eval_characters = counts["characters"]["eval"] + counts["documents"]["eval"]
        windows = {"train": self.num_train, "eval": len(self._eval_data)}
        self.summary: dict[str, Any] = {**counts, "windows": windows, "vocabulary": self.num_classes}

    def describe(self) -> str:
        """Documents, tokens, vocabulary, and how much of the eval set the tokenizer does not know."""
        documents, tokens = self.summary["documents"], self.summary["tokens"]
        sets = [
            f"{documents[name]:,} {'text' if documents[name] == 1 else 'texts'} with {tokens[name]:,} tokens to {verb}"
            for name, verb in (("train", "train"), ("eval", "evaluate"))
        ]
        text = f"{', '.join(sets)}; {self.num_classes:,} different tokens"
        unknown = self.summary["unknown_tokens"]["eval"] / tokens["eval"]
        text += f"; {unknown:.1%} of the eval tokens are unknown" if unknown else ""
        # Of a run that began before this was written down, the tokenised data does not say.
        columns = self.summary.get("columns", "")
        return f"{text}; {columns}" if columns else text

    def _packed(self, encoded: EncodedSet, *, own_only: bool) -> PackedDataset:
        data, tokenizer = self._config.data, self._tokenizer
        first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        try:
            windows = causal_windows(len(encoded.ids), data.max_length, data.stride)
        except ValueError as error:
            raise ConfigError(f"data.stride: {error}; raise data.max_length or lower data.stride") from None
        return PackedDataset(encoded.ids, first, windows, own_only=own_only)

    # --- model ---

    def build_model(self) -> nn.Module:
        """A new model on the CPU, its weights a function of seed and configuration. Raises ConfigError."""
        return lm_model.build(self._config, self._tokenizer)

    def load_model(self, directory: Path) -> nn.Module:
        """The model of a checkpoint of this run; needs neither hub nor pretrained directory, unless for an adapter."""
        return lm_model.load(self._config, directory)

    def weights(self, model: nn.Module) -> Mapping[str, Tensor]:
        """All of them, or those of an adapter; tied ones under both names, which `save_pretrained` writes once."""
        return lora.weights(model)

    def write_model(self, model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
        """model.safetensors, config.json and the tokenizer's files, as `save_pretrained` lays them. Raises OSError."""
        models.write(model, weights, directory)
        self._tokenizer.save_pretrained(directory)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of [windows, tokens, vocabulary].

        Without the attention mask: padding stands on the right, where no token of a causal model looks, and with a
        mask the quick kernels would not be used.
        """
        logits: Tensor = model(input_ids=batch["input_ids"], use_cache=False).logits
        return logits

    # --- loss and metrics ---

    def target_weight(self, batch: Batch) -> float:
        """The number of tokens to be predicted."""
        return float((batch["labels"] != IGNORED).sum())

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of [windows, tokens, vocabulary] summed over the targets, in nats, fp32."""
        return loss_sum(outputs, batch["labels"])

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Right tokens and targets: int64 [2], on the device, without a host sync."""
        return count(outputs, batch["labels"])

    def accuracy(self, counts: Tensor) -> Tensor:
        """The share of tokens that were the likeliest, on the device."""
        return counts[0] / counts[1]

    def train_metrics(self, counts: list[int]) -> dict[str, float]:
        """The share of tokens that were the likeliest."""
        num_right, num_targets = counts
        return {"token_accuracy": num_right / num_targets if num_targets else 0.0}

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval windows in their order; of tokens in two windows, the second has the label −100."""
        return packed_batches(self._eval_data, self.collate, batch_size)

    def start_eval(self) -> LmTally:
        return LmTally(self._eval_characters)

    def samples(self, model: nn.Module) -> list[Sample]:
        """What the model writes after each of `task.prompts`: the same draws at every evaluation, other weights."""
        task = self._config.task
        texts = generate(
            model,
            self._tokenizer,
            task.prompts,
            max_new_tokens=task.sample_tokens,
            seed=self._config.seed,
            alive=self._alive,
        )
        return [Sample(prompt=prompt, text=text) for prompt, text in zip(task.prompts, texts, strict=True)]

    def baseline(self) -> tuple[str, dict[str, float]]:
        """Guessing by frequency alone."""
        scores = unigram_scores(self._train.ids, self._eval.ids, self.num_classes, self._eval_characters)
        return "each token by how often it occurs in training", scores
