"""What `traind predict` takes. Shared by the command line, which hands the words on, and by the process that acts on
them; knows no torch.
"""

import argparse
import math
import re
from pathlib import Path

from rundir.layout import LATEST

DESCRIPTION = (
    "Try a trained model: spans, labels with scores, or generated text. Texts come from the arguments, from --file, "
    "from a pipe, or are typed line by line."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--runs-dir` is the caller's, who has it for every verb."""
    parser.add_argument("source", nargs="?", default=LATEST, metavar="RUN|CHECKPOINT", help=f"default: {LATEST}")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text; several are several samples")
    parser.add_argument("--file", type=Path, help='one text a line, or .jsonl with "text"; - is standard input')
    parser.add_argument("--json", action="store_true", help="one JSON object a text instead of tables")
    parser.add_argument(
        "--checkpoint", default=None, metavar="best|latest|STEP", help="of a run (default: best, else the newest)"
    )
    parser.add_argument("--device", type=_device, default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="texts at once (default: 32)")
    parser.add_argument(
        "--words", action="store_true", help="spans: the model learnt one label a word; known by itself of a run"
    )
    parser.add_argument("--base", metavar="DIR|NAME", help="what an adapter belongs on, where it is not where it was")
    generation = parser.add_argument_group("generated text")
    generation.add_argument("--max-tokens", type=_positive, default=100, metavar="N", help="default: 100")
    generation.add_argument(
        "--temperature", type=_not_negative, default=0.8, metavar="T", help="0 takes the likeliest (default: 0.8)"
    )
    generation.add_argument("--seed", type=int, default=0, help="default: 0")


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is none of auto, cpu, cuda, cuda:N, mps")
    return text


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value
