"""A hub that cannot be reached, knows no such model, or wants its terms accepted: one line with the cure."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = """
from traind.config import ConfigError
from traind.tasks.model import pretrained_config
try:
    pretrained_config("someone/model", 128)
except ConfigError as error:
    print("\\n".join(error.faults))
"""


def fault(endpoint: str, home: Path) -> str:
    """What is said, in a process of its own: the hub client reads its endpoint when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "no_proxy": "*"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = done.stdout.splitlines()
    return line


@contextmanager
def hub(status: int, code: str) -> Iterator[str]:
    """A hub that answers every request for a file with one status and error code."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status if len(self.path) > 1 else 200)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "GatedRepo", "gated; accept its terms on huggingface.co, then set HF_TOKEN"),
        (404, "RepoNotFound", "no such model on the hub; correct the name"),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_cure(tmp_path: Path, status: int, code: str, says: str) -> None:
    with hub(status, code) as endpoint:
        line = fault(endpoint, tmp_path)
    assert line.startswith("model.pretrained: someone/model: ")
    assert says in line


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    assert "the hub cannot be reached and the model is not cached" in fault("http://127.0.0.1:9", tmp_path)


CACHED = """
import sys
from pathlib import Path
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertForSequenceClassification
from huggingface_hub import constants

cache = Path(constants.HF_HUB_CACHE) / "models--someone--model"
commit = "0" * 40
sizes = DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
DistilBertForSequenceClassification(sizes).save_pretrained(cache / "snapshots" / commit)
(cache / "refs").mkdir()
(cache / "refs" / "main").write_text(commit)

from traind.tasks.hub import from_where
print(type(AutoModelForSequenceClassification.from_pretrained("someone/model", **from_where("someone/model"))).__name__)
"""


@pytest.mark.slow
def test_a_cached_model_is_loaded_where_no_hub_answers(tmp_path: Path) -> None:
    """peft is installed: transformers would look for an adapter on the hub, again and again, and then give up."""
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", CACHED], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["DistilBertForSequenceClassification"], done.stderr[-2000:]
    assert "etrying" not in done.stderr
