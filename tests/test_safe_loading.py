"""Nothing from outside is unpickled, evaluated or run: every call that could is found in the source."""

from __future__ import annotations

import ast
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("scc_core", "workers", "orchestrator", "dashboards", "benchmarks", "recipes")
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
EXCEPTIONS = {
    "scc_core/datasets/files/readers/cifar.py": ["imports pickle"],
    "scc_core/models/open_clip/script_archive.py": ["imports pickle"],
}
"""CIFAR and OpenAI's CLIP are published as pickles; their readers build arrays, tensors, plain values and bags of
attributes from them, and refuse every other name."""
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "_StrictLoader"}


def complaints(source: str) -> list[str]:
    """What a module does that could run a stranger's code."""
    return [problem for node in ast.walk(ast.parse(source)) for problem in _problems(node)]


def _problems(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"imports {alias.name}" for alias in node.names if alias.name.split(".")[0] in PICKLES]
    if isinstance(node, ast.ImportFrom):
        # The name of an error loads nothing.
        if all(alias.name.endswith("Error") for alias in node.names):
            return []
        return [f"imports {node.module}"] if (node.module or "").split(".")[0] in PICKLES else []
    return _call_problems(node) if isinstance(node, ast.Call) else []


def _call_problems(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    checks = {
        f"calls {name}": name in ("eval", "exec", "compile", "os.system", "os.popen", "__import__"),
        "torch.load without weights_only=True": name == "torch.load" and given.get("weights_only") != "True",
        f"{name} with allow_pickle": given.get("allow_pickle", "False") != "False",
        f"{name} reads pickles": last in ("read_pickle", "to_pickle", "unsafe_load", "full_load", "unsafe_load_all"),
        "yaml.load without a safe loader": name in ("yaml.load", "yaml.load_all") and not _is_safe(call, given),
        f"{name} through a shell": given.get("shell", "False") != "False",
        f"{name} trusts remote code": given.get("trust_remote_code", "False") != "False",
        f"{name} without a filter": last in ("extractall", "extract") and "tar" in name and "filter" not in given,
    }
    return [problem for problem, found in checks.items() if found]


def _is_safe(call: ast.Call, given: dict[str | None, str]) -> bool:
    loader = given.get("Loader") or (ast.unparse(call.args[1]) if len(call.args) > 1 else "")
    return loader.rpartition(".")[2] in SAFE_LOADERS


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_can_run_what_it_reads(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    found = {str(path.relative_to(ROOT)): complaints(path.read_text(encoding="utf-8")) for path in files}
    assert {path: problems for path, problems in found.items() if problems} == {
        path: problems for path, problems in EXCEPTIONS.items() if path.startswith(package)
    }


def test_the_unpickler_of_cifar_builds_arrays_and_runs_nothing(tmp_path):
    from scc_core.datasets.files.readers.cifar import _ArraysOnly

    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    plain = {"data": np.zeros((1, 3072), dtype=np.uint8), "labels": [3]}
    assert _ArraysOnly(io.BytesIO(pickle.dumps(plain))).load()["labels"] == [3]
    with pytest.raises(pickle.UnpicklingError, match="pathlib"):
        _ArraysOnly(io.BytesIO(pickle.dumps({"data": Runs()}))).load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["os.mkdir", "builtins.eval", "torch.load", "torch.nn.Linear", "builtins.getattr"])
def test_the_unpickler_of_archives_knows_no_name_that_could_run_something(name):
    from scc_core.models.open_clip.script_archive import _Record

    module, _, attribute = name.rpartition(".")
    with pytest.raises(pickle.UnpicklingError, match=f"it asks for {name}, which no weights need"):
        _Record(io.BytesIO(b"."), None).find_class(module, attribute)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, yaml.UnsafeLoader)",
        "yaml.full_load(text)",
        "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "tarfile.open(path).extractall(folder)",
    ],
)
def test_every_such_call_is_found(line):
    assert len(complaints(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "yaml.safe_load(text)",
        "yaml.load(text, Loader=_StrictLoader)",
        "re.compile(pattern)",
        "torch.compile(model)",
        "tarfile.open(path).extractall(folder, filter='data')",
    ],
)
def test_the_safe_forms_are_left_alone(line):
    assert complaints(line) == []
