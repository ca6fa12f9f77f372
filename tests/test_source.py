"""What no line of the programs may do: read pickles, run text as code, let a model bring its own code, call a shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("shared", "daemon", "tui") for path in (ROOT / folder).rglob("*.py"))
PICKLES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
RUNS_COMMANDS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def dotted(node: ast.expr) -> str:
    """`torch.load` of the expression; its last name where what stands before is no name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def is_said(call: ast.Call, name: str, value: object) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


def faults_of_call(call: ast.Call) -> Iterator[str]:
    name = dotted(call.func)
    if name in RUNS_TEXT or name in RUNS_COMMANDS:
        yield name
    if any(word.arg == "shell" for word in call.keywords):
        yield "shell="
    if name == "torch.load" and not is_said(call, "weights_only", True):
        yield "torch.load without weights_only"
    if any(word.arg == "allow_pickle" and not is_said(call, "allow_pickle", False) for word in call.keywords):
        yield "allow_pickle"
    if any(word.arg == "trust_remote_code" and not is_said(call, word.arg, False) for word in call.keywords):
        yield "trust_remote_code"
    is_explicit = is_said(call, "trust_remote_code", False) or any(
        word.arg is None and isinstance(word.value, ast.Call) and dotted(word.value.func) == "from_where"
        for word in call.keywords
    )
    if name.endswith(".from_pretrained") and name != "PeftModel.from_pretrained" and not is_explicit:
        yield f"{name} without trust_remote_code=False"


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from faults_of_call(node)
        elif isinstance(node, ast.Import):
            yield from (f"import {each.name}" for each in node.names if each.name.partition(".")[0] in PICKLES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PICKLES:
            yield from (f"{node.module}.{each.name}" for each in node.names if each.name != "UnpicklingError")


def test_no_source_does_any_of_it() -> None:
    assert len(SOURCES) > 100
    found = {path.relative_to(ROOT): list(faults(ast.parse(path.read_bytes()))) for path in SOURCES}
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.memory",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(words, shell=True)",
        "os.system(words)",
        "Auto.from_pretrained(name)",
        "Auto.from_pretrained(name, trust_remote_code=config.trust)",
        "head.auto.from_pretrained(name, **options)",
    ],
)
def test_each_of_it_would_be_found(code: str) -> None:
    assert list(faults(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "model.eval()",
        "re.compile(x)",
        "Auto.from_pretrained(name, **from_where(name))",
        "from pickle import UnpicklingError",
    ],
)
def test_what_only_looks_like_it_is_not_found(code: str) -> None:
    assert not list(faults(ast.parse(code)))
