"""Every room says what it offers, and every offer is there and documented."""

import ast
import importlib
import inspect
import types
from functools import cache
from pathlib import Path

import pytest

import crossgap

SOURCE = Path(crossgap.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
SHARED = {"spectrum_values"}  # computes what several quantities need, and is none


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [_module(path) for path in FILES if path.name != "__main__.py"]
OFFERING = [name for name in MODULES if name != "crossgap.geometry"]  # its files are used one by one


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
    assert {"crossgap.measure", "crossgap.data", "crossgap.report", "crossgap.doctor"} <= set(MODULES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("name", MODULES)
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
    ]
    offered = importlib.import_module(name).__all__
    assert set(offered) <= set(gathered) | set(vars(importlib.import_module(name)))
    if name in ("crossgap.measure", "crossgap.data", "crossgap.report"):
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


def test_the_version_is_the_one_of_the_package():
    from importlib.metadata import version

    assert crossgap.__version__ == version("crossgap")
