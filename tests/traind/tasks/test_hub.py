"""A hub that cannot be reached, knows no such model, or wants its terms accepted: one line with the cure."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from traind.config import ConfigError
from traind.tasks.hub import explained, from_where
from traind.tasks.model import pretrained_config
from traind.tasks.tokenizer import load_tokenizer

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


@pytest.mark.parametrize("where", ["config", "weights", "tokenizer"])
def test_a_model_that_brings_its_own_code_is_refused_unrun(tmp_path: Path, where: str) -> None:
    """The class that its files name lies beside them, and would leave a mark if it were imported."""
    mark = tmp_path / "ran"
    directory = tmp_path / "model"
    directory.mkdir()
    classes = "class C: pass\nclass M: pass\nclass T: pass\n"
    (directory / "code.py").write_text(f"open({str(mark)!r}, 'w')\n{classes}", encoding="utf-8")
    own = {"auto_map": {"AutoConfig": "code.C", "AutoModelForTokenClassification": "code.M"}}
    known = {"model_type": "distilbert"}
    (directory / "config.json").write_text(json.dumps(own if where == "config" else known), encoding="utf-8")
    tokenizer = {"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["code.T", "code.T"]}}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    load: Callable[[], object] = {
        "config": lambda: pretrained_config(str(directory), 128),
        "weights": lambda: _weights(directory),
        "tokenizer": lambda: load_tokenizer(str(directory)),
    }[where]
    # Of a tokenizer the library looks for one that it knows first, and finds none here.
    said = "cannot be loaded" if where == "tokenizer" else "brings code of its own, which traind does not run"
    with pytest.raises(ConfigError, match=said):
        load()
    assert not mark.exists()


def _weights(directory: Path) -> object:
    (directory / "config.json").write_text(
        json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"}}),
        encoding="utf-8",
    )
    with explained(str(directory)):
        return AutoModelForCausalLM.from_pretrained(directory, **from_where(str(directory)))
