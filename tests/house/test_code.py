"""What the sources may not hold, and which way imports go."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import crossgap

SOURCE = Path(crossgap.__file__).parent
CHECKOUT = Path(__file__).resolve().parents[2]
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 500


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_file_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_what_no_file_holds(path):
    for node in ast.walk(_parsed(path)):
        where = f"{_name(path)}:{getattr(node, 'lineno', 0)}"
        assert _called(node) != "print", f"{where} prints"
        assert _called(node) not in ("eval", "exec"), f"{where} evaluates text"
        assert not isinstance(node, ast.Assert), f"{where} has an assert, which -O removes"
        assert not isinstance(node, ast.Global), f"{where} has global state"
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            swallows = not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert not (caught in ("", "Exception", "BaseException") and swallows), f"{where} catches everything"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"{where} imports a wildcard"
            assert node.level == 0, f"{where} imports relatively"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_nothing_is_unpickled(path):
    for node in ast.walk(_parsed(path)):
        where = f"{_name(path)}:{getattr(node, 'lineno', 0)}"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
        pickling = ("torch.load", "torch.save", "joblib.load", "joblib.dump", "np.load", "numpy.load")
        assert _called(node).removeprefix("self.") not in pickling, where
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), where
            assert node.value.value is False, where


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_random_numbers_come_from_a_generator(path):
    allowed = {"np.random.default_rng", "np.random.SeedSequence", "np.random.PCG64"}
    seeded = ("np.random.", "numpy.random.", "torch.manual_seed", "torch.rand")
    for node in ast.walk(_parsed(path)):
        assert not (isinstance(node, ast.Import) and node.names[0].name == "random"), "the standard module is global"
        called = _called(node)
        if "(" not in called and called.startswith(seeded):
            given = {word.arg for word in node.keywords}  # pyright: ignore[reportAttributeAccessIssue]
            assert called in allowed or "generator" in given, (
                f"{_name(path)}:{node.lineno} uses global randomness: {called}"
            )


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_setting_of_the_whole_process_is_changed(path):
    """Number types, threads, determinism and precision of torch and NumPy belong to the user's program."""
    setters = {"set_default_dtype", "set_default_device", "set_num_threads", "set_float32_matmul_precision"}
    setters |= {"use_deterministic_algorithms", "set_grad_enabled", "seterr", "filterwarnings", "simplefilter"}
    tree = _parsed(path)
    kept = set()  # inside ``with warnings.catch_warnings():`` all is put back
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and any("catch_warnings" in ast.unparse(item) for item in node.items):
            kept |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        where = f"{_name(path)}:{getattr(node, 'lineno', 0)}"
        assert id(node) in kept or _called(node).rpartition(".")[2] not in setters, f"{where} changes a global setting"
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assert not ast.unparse(target).startswith(("torch.backends.", "os.environ")), where


# which way imports go


def _layers() -> list[set[str]]:
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [contract for contract in contracts["contracts"] if contract["type"] == "layers"]
    return [{name.strip() for name in line.replace("|", ":").split(":")} for line in contract["layers"]]


def _imported(path: Path) -> Iterator[str]:
    """Yield what a file imports when it runs; imports for types only are left out."""
    types_only = set()
    tree = _parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            types_only |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in types_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_go_down_only():
    layers = _layers()
    place = {name: number for number, layer in enumerate(layers) for name in layer}
    for path in FILES:
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        own = ".".join(parts[:2])
        if own not in place:
            continue
        for name in _imported(path):
            room = ".".join(name.split(".")[:2])
            if room in place and room != own:
                assert place[room] >= place[own], f"{_name(path)} imports {name}, which lies above it"


def test_every_room_has_a_layer():
    placed = set.union(*_layers())
    rooms = {f"crossgap.{path.stem}" for path in SOURCE.iterdir() if path.suffix == ".py" and path.stem[0] != "_"}
    rooms |= {f"crossgap.{path.parent.name}" for path in SOURCE.glob("*/__init__.py")}
    assert rooms <= placed, f"name the layer of {', '.join(sorted(rooms - placed))} in pyproject.toml"


def test_the_import_linter_agrees():
    beside = Path(sys.executable).with_name("lint-imports")
    linter = str(beside) if beside.exists() else shutil.which("lint-imports")
    if linter is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([linter, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = {"scipy", "sklearn", "pyarrow", "torch", "transformers", "PIL", "fsspec", "altair", "pandas", "rich"}
    heavy |= {"faiss", "lancedb", "onnx", "qdrant_client", "gudhi", "umap", "vl_convert", "jinja2"}
    heavy |= {"diffusers", "peft", "tokenizers", "pycocoevalcap"}
    about = {room: {"torch"} for room in ("losses", "train", "transfer", "reproduce")} | {"close": {"sklearn"}}
    for path in FILES:
        own = about.get(path.relative_to(SOURCE).parts[0], set())
        for node in _parsed(path).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = {name.partition(".")[0] for name in names} & (heavy - own)
            assert not found, f"{_name(path)}:{node.lineno} imports {', '.join(found)} at its head"
