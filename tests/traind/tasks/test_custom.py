"""A task of the user's own: every mistake in it is one sentence; its weights, loss and scores are what they say."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import encode
from rundir.status import RunInfo
from tests.traind.host_tensors import host_copy
from tests.traind.tasks.custom_task import load_module
from traind import config
from traind.config import Config, ConfigError
from traind.custom import load_weights
from traind.tasks.custom import CustomTask, _shares


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """The factory's folder is put on sys.path for good, as fits a process of one run."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def task_of(settings: Config, run: RunDir) -> CustomTask:
    return CustomTask(settings, run, alive=lambda: None)


def assert_equal(model: nn.Module, other: nn.Module) -> None:
    assert model.state_dict().keys() == other.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


FAULTS: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "no function": (("def make(", "def build("), ("has no function make",)),
    "one parameter": (("def make(options, seed)", "def make(options)"), ("make(options, seed)", "too many")),
    "returns nothing": (("return Points(", "Points("), ("None without model, train_data",)),
    "no metrics": (("def metrics(", "def scores("), ("a Points without metrics",)),
    "metrics no function": (("self.model = Net()", "self.model = Net(); self.metrics = 1"), ("metrics is a int",)),
    "model no module": (("self.model = Net()", "self.model = Net"), ("model is a type", "torch.nn.Module")),
    "empty eval set": (("examples[num_train:]", "[]"), ("eval_data is empty",)),
    "iterator for data": (("examples[:num_train], ", "iter(examples), "), ("train_data is a list_iterator", "length")),
    "collate returns a tuple": (('return {"points"', 'return 1, {"points"'), ("collate returned a tuple", "dict")),
    "collate's value no tensor": (('"targets": torch.stack(above)', '"targets": above'), ("'targets' is a tuple",)),
    "no targets": (('"targets": torch.stack', '"labels": torch.stack'), ("points, labels", "no targets")),
    "examples not first": (("torch.stack(points),", "torch.stack(points).T[:1],"), ("[1, 2] from 2 examples",)),
    "another argument": (('{"points": torch', '{"pixels": torch'), ("pixels beside targets", "(points)", "names")),
    "model returns a tuple": (("return self.last(", "return 1, self.last("), ("returned a tuple",)),
    "model sums the batch": (("return self.last(", "return sum("), ("the model made [8] of 2",)),
    "mean loss": (('reduction="none"', 'reduction="mean"'), ("shape []", "2 examples", 'reduction="none"')),
    "loss is a number": (("return nn.functional", "return 1.0; nn.functional"), ("loss returned a float",)),
    "loss of whole numbers": ((', reduction="none")', ', reduction="none").long()'), ("torch.int64",)),
    "detached loss": ((', reduction="none")', ', reduction="none").detach()'), ("depend on any parameter", "detach")),
    "metrics return a number": (('return {"accuracy"', 'return 0.5; {"accuracy"'), ("metrics returned a float",)),
    "metrics name no text": (('{"accuracy": (', "{1: ("), ("the name 1",)),
    "metrics with a loss": (('{"accuracy": (', '{"loss": ('), ("a loss of its own",)),
    "metrics of vectors": ((".float().mean()}", ".float()}"), ("accuracy = Tensor", "a number is wanted")),
    "state that is no tensor": (
        ("    def forward(", "    def get_extra_state(self): return {}\n    def forward("),
        ("_extra_state", "no tensor"),
    ),
    "module needs another": (("import torch\n", "import torch, no_such_package\n"), ("needs no_such_package",)),
    "not Python": (("def make(options, seed):", "def make(options, seed)"), (".py:43:", "expected ':'")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_mistake_in_the_factory_is_one_sentence_with_its_cure(name: str, tmp_path: Path, run_dir: RunDir) -> None:
    change, words = FAULTS[name]
    with pytest.raises(ConfigError) as caught:
        task_of(load_module(tmp_path, change), run_dir)
    assert len(caught.value.faults) == 1
    assert "\n" not in caught.value.faults[0]
    for word in ("task.factory = 'points_", *words):
        assert word in caught.value.faults[0]


def test_a_module_that_is_not_there_is_named_with_the_folder_looked_in(tmp_path: Path, run_dir: RunDir) -> None:
    settings = load_module(tmp_path)
    settings.task.factory = "no_such_module:make"
    with pytest.raises(ConfigError, match=f"no module no_such_module in {tmp_path}"):
        task_of(settings, run_dir)
    settings.task.factory = "points_of.package:make"
    (tmp_path / "points_of").mkdir()
    with pytest.raises(ConfigError, match=r"no module points_of\.package"):
        task_of(settings, run_dir)


def test_an_error_in_the_users_own_code_passes_as_it_is(tmp_path: Path, run_dir: RunDir) -> None:
    settings = load_module(tmp_path, ("return Points(", "return 1 / 0, Points("))
    with pytest.raises(ZeroDivisionError):
        task_of(settings, run_dir)


def test_metrics_that_change_their_names_are_named(tmp_path: Path, run_dir: RunDir) -> None:
    change = ('return {"accuracy"', 'return {"few": 1.0} if len(targets) < 20 else {"accuracy"')
    task = task_of(load_module(tmp_path, change), run_dir)
    assert task.metric_names == ("few",)
    tally = task.start_eval()
    for batch in task.eval_batches(16):
        tally.add(batch, torch.zeros(len(batch["targets"]), 2))
    with pytest.raises(ConfigError, match="metrics gave accuracy, and few before training"):
        tally.result()


# --- what is right ---------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return load_module(tmp_path)


def test_the_weights_are_a_function_of_the_seed_each_time(settings: Config, run_dir: RunDir) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    task = task_of(settings, run_dir)
    first, second, other = task.build_model(), task.build_model(), task_of(settings, run_dir).build_model()
    assert first is not second
    assert torch.rand(1) == expected  # nobody else's random numbers are touched
    for model in (second, other):
        assert_equal(model, first)
    settings.seed += 1
    assert not torch.equal(
        task_of(settings, run_dir).build_model().state_dict()["last.bias"], first.state_dict()["last.bias"]
    )


def test_trying_the_factory_leaves_the_model_new(settings: Config, run_dir: RunDir) -> None:
    model = task_of(settings, run_dir).build_model()
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.state_dict()["norm.num_batches_tracked"] == 0


def test_a_model_that_is_a_property_is_read_once_and_under_the_seed(tmp_path: Path, run_dir: RunDir) -> None:
    as_property = "    @property\n    def model(self): return Net()\n\n    def collate("
    settings = load_module(tmp_path, ("        self.model = Net()\n", ""), ("    def collate(", as_property))
    first, other = (task_of(settings, run_dir) for _ in range(2))
    model = first.build_model()
    for again in (first.build_model(), other.build_model()):
        assert again is not model
        assert_equal(again, model)


def test_what_the_model_caches_while_it_is_tried_is_of_use_to_training(tmp_path: Path, run_dir: RunDir) -> None:
    """As position tables do that grow with the longest batch seen."""
    caching = """hidden = self.drop(torch.relu(self.norm(self.first(points))))
        if len(getattr(self, "ones", ())) < len(points):
            self.ones = torch.ones(len(points), 1)
        hidden = hidden * self.ones[: len(points)]"""
    line = "hidden = self.drop(torch.relu(self.norm(self.first(points))))"
    task = task_of(load_module(tmp_path, (line, caching)), run_dir)
    model = task.build_model()
    batch = task.collate([task.train_data[index] for index in range(4)])
    task.loss_sum(task.forward(model, batch), batch).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_weights_come_back_tied_ones_stored_once(settings: Config, run_dir: RunDir, tmp_path: Path) -> None:
    task = task_of(settings, run_dir)
    model = task.build_model()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    task.write_model(model, host_copy(task.weights(model)), tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert set(stored) == set(model.state_dict()) - {"again.weight"}
    loaded = task.load_model(tmp_path)
    assert loaded is not model
    assert loaded.again.weight is loaded.middle.weight
    assert_equal(loaded, model)


def test_weights_of_another_model_are_refused(settings: Config, run_dir: RunDir, tmp_path: Path) -> None:
    task = task_of(settings, run_dir)
    model = task.build_model()
    task.write_model(model, host_copy(task.weights(model)), tmp_path)
    changed = load_module(tmp_path, ("self.last = nn.Linear(8, 2)", "self.last = nn.Linear(8, 3)"))
    with pytest.raises(ConfigError, match=r"last\.weight is \[2, 8\], not \[3, 8\].*new run"):
        task_of(changed, run_dir).load_model(tmp_path)
    with pytest.raises(ValueError, match=r"weight is missing, bias is missing, .* and"):
        load_weights(torch.nn.Linear(1, 1), tmp_path)


def test_the_loss_is_a_sum_that_any_split_adds_up_to(settings: Config, run_dir: RunDir) -> None:
    task = task_of(settings, run_dir)
    batch = task.collate([task.train_data[index] for index in range(6)])
    outputs = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    whole = task.loss_sum(outputs, batch)
    part = {name: tensor[:2] for name, tensor in batch.items()}
    rest = {name: tensor[2:] for name, tensor in batch.items()}
    assert torch.isclose(whole, task.loss_sum(outputs[:2], part) + task.loss_sum(outputs[2:], rest))
    assert task.target_weight(part) + task.target_weight(rest) == task.target_weight(batch) == 6
    assert task.loss_sum(outputs.bfloat16(), batch).dtype == torch.float32


def test_an_evaluation_scores_the_whole_set_at_once(settings: Config, run_dir: RunDir) -> None:
    task = task_of(settings, run_dir)
    tally = task.start_eval()
    for batch in task.eval_batches(16):
        tally.add(batch, torch.nn.functional.one_hot(batch["targets"], 2).float() * 4)
    result = tally.result()
    assert result.metrics == {"accuracy": 1.0}
    assert result.shares["prediction_top_share"] == result.shares["label_top_share"]
    assert 0.5 < result.shares["prediction_entropy"] <= 1.0
    assert result.loss == pytest.approx(math.log1p(math.exp(-4)), rel=1e-5)
    assert [len(batch["targets"]) for batch in task.eval_batches(16)] == [16, 16, 8]
    assert task.describe() == "60 examples to train, 40 to evaluate"
    assert task.baseline()[1] == {}


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (torch.zeros(4, 1, 2), torch.zeros(4, dtype=torch.int64)),
        (torch.zeros(4, 3), torch.zeros(4)),
        (torch.zeros(4, 3), torch.tensor([0, 1, 2, 3])),
        (torch.zeros(4, 3), torch.tensor([0, 1, 2, -100])),
        (torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64)),
    ],
)
def test_what_gives_no_classes_has_no_spread(outputs: torch.Tensor, targets: torch.Tensor) -> None:
    assert _shares(outputs, targets) == {}


class NoDoubles(TorchDispatchMode):
    """Apple's GPUs, as far as the CPU can stand for them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dtype is torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return result


def test_an_evaluation_needs_no_doubles_where_the_device_has_none(
    settings: Config, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traind.tasks.custom.float_of", lambda _: torch.float32)
    task = task_of(settings, run_dir)
    tally = task.start_eval()
    (batch,) = task.eval_batches(64)
    with NoDoubles():
        tally.add(batch, torch.zeros(40, 2))
    assert tally.result().loss == pytest.approx(math.log(2))


def test_options_reach_the_factory(tmp_path: Path, run_dir: RunDir) -> None:
    settings = load_module(tmp_path, overrides=("task.options.num_train=12",))
    assert task_of(settings, run_dir).num_train == 12


def test_a_changed_module_is_said_at_a_resume(
    settings: Config, run_dir: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    hashes = task_of(settings, run_dir).hashes
    for factory, is_said in ((hashes["factory"], False), ("0" * 64, True)):
        info = RunInfo(id="run", name="points", task="custom", created_at=0.0, hashes={"factory": factory})
        write_atomic(run_dir.run_json, encode(info))
        caplog.clear()
        task_of(settings, run_dir)
        assert ("has changed since this run began" in caplog.text) == is_said


def test_the_module_is_looked_for_beside_the_configuration_then_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = load_module(tmp_path)
    assert settings.task.path == str(tmp_path)
    moved = tmp_path / "configs" / "points.toml"
    text = f'[task]\nkind = "custom"\nfactory = "{settings.task.factory}"\n'
    moved.write_text(text, encoding="utf-8")
    assert config.load(moved).task.path == str(tmp_path)  # the working directory
    (tmp_path / "mine").mkdir()
    moved.write_text(text + 'path = "../mine"\n', encoding="utf-8")
    assert config.load(moved).task.path == str(tmp_path / "mine")
    moved.write_text('[task]\nkind = "custom"\nfactory = "installed.package:make"\n', encoding="utf-8")
    assert config.load(moved).task.path is None
