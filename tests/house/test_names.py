"""Every room says what it offers, and every offer is there and documented."""

import ast
import importlib
import inspect
import itertools
import subprocess
import sys
import types
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import crossgap

SOURCE = Path(crossgap.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LOSSES = [name for name in importlib.import_module("crossgap.losses").__all__ if name.endswith("_loss")]
SHARED = {"spectrum_values"}  # computes what several quantities need, and is none


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [_module(path) for path in FILES if path.name != "__main__.py"]
TRITON = {"crossgap.losses.triton_blocks"}  # the only files that may need a library without which the rest is tested
without_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton, which comes with torch for CUDA, is missing"
)


def _cases(names: list[str]) -> list:
    return [pytest.param(name, marks=without_triton if name in TRITON else ()) for name in names]


EVERY = _cases(MODULES)
OFFERING = _cases([name for name in MODULES if name != "crossgap.geometry"])  # its files are used one by one


@cache
def _imported_elsewhere() -> set[str]:
    """Return all names that some file imports from another one of the package."""
    return {
        alias.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crossgap")
        for alias in node.names
    }


def test_the_rooms_are_found():
    rooms = "measure data report doctor losses train reproduce"
    assert {f"crossgap.{room}" for room in rooms.split()} | TRITON <= set(MODULES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("name", EVERY)
def test_every_module_says_what_it_is(name):
    assert (importlib.import_module(name).__doc__ or "").strip()


@pytest.mark.parametrize("name", OFFERING)
def test_all_is_complete_and_true(name):
    module = importlib.import_module(name)
    offered = module.__all__
    assert len(set(offered)) == len(offered)
    for offer in offered:
        assert getattr(module, offer) is not None, f"{offer} is offered but not there"
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and isinstance(value, types.FunctionType | type)
        and getattr(value, "__module__", "") == name
    }
    assert own <= set(offered) | _imported_elsewhere(), "offer it, or begin its name with an underscore"


@pytest.mark.parametrize("name", OFFERING)
def test_every_offer_is_documented(name):
    module = importlib.import_module(name)
    for offer in module.__all__:
        value = getattr(module, offer)
        if isinstance(value, types.FunctionType | type) and value.__module__ == name:
            assert (value.__doc__ or "").strip(), f"{offer} has no docstring"
            if inspect.isclass(value):
                for key, part in vars(value).items():
                    if not key.startswith("_") and isinstance(part, types.FunctionType | property | classmethod):
                        assert (inspect.getdoc(getattr(value, key)) or "").strip(), f"{offer}.{key} has no docstring"


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_a_room_offers_what_it_gathers(path):
    """What an ``__init__`` imports it also offers, in order, so that no line of either is forgotten."""
    name = _module(path)
    if name in ("crossgap", "crossgap.geometry"):
        return
    gathered = [
        alias.asname or alias.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crossgap")
        for alias in node.names
        if node.module != "crossgap.errors"  # raised where a library is missing
    ]
    offered = importlib.import_module(name).__all__
    assert set(offered) <= set(gathered) | set(vars(importlib.import_module(name)))
    if name in ("crossgap.measure", "crossgap.data", "crossgap.report", "crossgap.losses", "crossgap.train"):
        assert sorted(gathered) == sorted(offered)


def test_every_quantity_is_in_the_room():
    """A file of ``measure`` that has a function of its own name offers it through the room."""
    room = importlib.import_module("crossgap.measure").__all__
    for path in (SOURCE / "measure").glob("[a-z]*.py"):
        if path.stem not in SHARED and path.stem in importlib.import_module(f"crossgap.measure.{path.stem}").__all__:
            assert path.stem in room, f"crossgap.measure does not offer {path.stem}"


def test_the_package_offers_its_rooms_and_nouns():
    for name in crossgap.__all__:
        assert getattr(crossgap, name) is not None
    assert dir(crossgap) == sorted(crossgap.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        crossgap.nothing  # noqa: B018


def test_every_loss_is_in_the_room():
    """A function of a file of ``losses`` that is called a loss is offered by the room, and has its signature."""
    room = importlib.import_module("crossgap.losses")
    for name in MODULES:
        if name.startswith("crossgap.losses.") and name not in TRITON:
            for offer in importlib.import_module(name).__all__:
                assert not offer.endswith("_loss") or offer in room.__all__, f"crossgap.losses does not offer {offer}"
    for offer in LOSSES:
        parameters = inspect.signature(getattr(room, offer)).parameters
        assert list(parameters)[:3] == ["x", "y", "logit_scale"]
        assert "check" in parameters
        for key in list(parameters)[3:]:
            keyword = parameters[key].kind == inspect.Parameter.KEYWORD_ONLY
            assert keyword or key == "logit_bias", f"{offer}: {key} is no keyword"  # open_clip's place of SigLIP's bias


@pytest.mark.parametrize("name", LOSSES)
def test_a_docstring_of_a_loss_has_its_parts(name):
    text = inspect.getdoc(getattr(importlib.import_module("crossgap.losses"), name)) or ""
    heads = [line for line, below in itertools.pairwise(text.splitlines()) if below and set(below) == {"-"}]
    wanted = ["Parameters", "Returns", "Raises", "Notes", "References", "Examples"]
    assert [head for head in heads if head in wanted] == wanted
    assert "\nFormula::\n" in text
    assert "\nHow to read it: " in text
    assert ">>> " in text.partition("\nExamples\n")[2]
    assert "Cost: " in text, "say in the Notes what it costs"


@pytest.mark.parametrize(
    ("room", "what", "extra"),
    [
        ("losses", "losses need", "torch"),
        ("train", "training needs", "torch"),
        ("transfer", "transfer needs", "caption"),
        ("reproduce", "experiments need", "torch"),
    ],
)
def test_a_room_without_torch_says_what_to_install(room, what, extra):
    code = f"import sys; sys.modules['torch'] = None; import crossgap.{room}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"crossgap.errors.MissingExtraError: {what} torch, which is not installed; install it: "
        f"pip install 'crossgap[{extra}]'."
    )


@pytest.mark.parametrize(
    "names",
    [
        "centroid_distance alignment cross_uniformity linear_separability relative_modality_gap matched_cosine",
        "unmatched_cosine recall_at_k gap_energy_ratio mmd frechet_distance sliced_wasserstein",
        "uniformity within_cosine effective_dimension participation_ratio entropy_rank spectrum_area",
        "resultant_length hubness",
    ],
)
def test_names_that_users_rely_on(names):
    room = importlib.import_module("crossgap.measure")
    assert set(names.split()) <= set(room.__all__)


def test_losses_that_users_rely_on():
    names = "clip_loss cua_loss cuaxu_loss infoloob_loss cloob_loss cyclip_loss siglip_loss m2mix_loss"
    assert set(names.split()) <= set(LOSSES)


def test_the_version_is_the_one_of_the_package():
    from importlib.metadata import version

    assert crossgap.__version__ == version("crossgap")
