"""One file holds a closer, bit for bit, and one that was touched in any byte is refused."""

import hashlib
import importlib
import inspect
import json
import os
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file
from sklearn.base import clone

import crossgap
from crossgap.close.closer import Closer
from crossgap.close.closer_file import read_closer, read_closer_record, write_closer
from crossgap.close.closer_record import _MODULES
from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.memory_projection import MemoryProjection
from crossgap.close.translation import Translation
from crossgap.close.whitening import Whitening
from crossgap.errors import FormatError

GROUPS = ["image"] * 3 + ["text"] * 3


@pytest.fixture
def small(rng):
    """A closer of two groups of four dimensions."""
    return MeanRemoval().fit(rng.normal(size=(6, 4)), groups=GROUPS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "closer.safetensors"


def taken_apart(path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return record and arrays of a file, read without crossgap."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["crossgap"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def put_together(path, record, tensors, *, metadata: str | None = None) -> None:
    """Write a file whose digest is right, whatever it holds."""
    blank = "0" * 64
    text = json.dumps({**record, "digest": blank}) if metadata is None else metadata
    content = save(tensors, {"crossgap": text})
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content.replace(blank.encode(), digest.encode(), 1))


def changed(path, small, change) -> None:
    """Write a closer, and again with its parts changed and a right digest."""
    write_closer(small, path)
    record, tensors = taken_apart(path)
    change(record, tensors)
    put_together(path, record, tensors)


# what is written comes back


def test_a_closer_moves_as_before(any_closer, pairs, path):
    write_closer(any_closer, path, facts={"seed": 0})
    read = read_closer(path)
    assert type(read) is type(any_closer)
    assert read.get_params() == any_closer.get_params()
    assert (read.groups_, read.fit_rows_) == (any_closer.groups_, any_closer.fit_rows_)
    for rows, groups in ((pairs.X, pairs.groups), (pairs.X[::250].astype(np.float32), pairs.groups[::250])):
        before, after = (closer.transform(rows, groups=groups) for closer in (any_closer, read))
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before)


def test_the_same_closer_gives_the_same_bytes(any_closer, tmp_path):
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    write_closer(any_closer, paths[0], facts={"seed": 0})
    write_closer(any_closer, paths[1], facts={"seed": 0})
    write_closer(read_closer(paths[0]), paths[2], facts={"seed": 0})
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second == third


def test_what_was_learned_comes_back(any_closer, path):
    write_closer(any_closer, path)
    read = read_closer(path)

    def compare(a, b):
        assert type(a) is type(b)
        if isinstance(a, dict):
            assert list(a) == list(b)
            for key in a:
                compare(a[key], b[key])
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            assert a == b

    learned = {key for key in vars(any_closer) if key[0] != "_" and key[-1] == "_"}
    assert learned == {key for key in vars(read) if key[-1] == "_"}
    for key in learned:
        compare(getattr(any_closer, key), getattr(read, key))


def test_every_closer_of_the_room_can_be_saved():
    room = Path(crossgap.__file__).parent / "close"
    found = {}
    for file in room.glob("[a-z]*.py"):
        module = importlib.import_module(f"crossgap.close.{file.stem}")
        for name, value in vars(module).items():
            own = inspect.isclass(value) and value.__module__ == module.__name__
            if own and issubclass(value, Closer) and "__init__" in vars(value):
                found[name] = file.stem
    assert found == _MODULES


def test_a_read_closer_can_be_cloned_and_pickled(small, path, rng):
    write_closer(small, path)
    read = read_closer(path)
    X = rng.normal(size=(4, 4))
    again = pickle.loads(pickle.dumps(read))  # noqa: S301
    np.testing.assert_array_equal(again.move(X, "text"), small.move(X, "text"))
    np.testing.assert_array_equal(clone(read).fit(X).means_["rows"], MeanRemoval().fit(X).means_["rows"])


def test_a_read_closer_has_no_sums_to_add_to(small, path, rng):
    write_closer(small, path)
    with pytest.raises(ValueError, match="was read from a file, which keeps no sums"):
        read_closer(path).partial_fit(rng.normal(size=(6, 4)), groups=GROUPS)


def test_two_means_take_a_few_kilobytes(closers, path):
    assert write_closer(closers("mean removal"), path).stat().st_size < 10_000
    assert write_closer(closers("gap direction"), path).stat().st_size < 6_000


def test_steps_take_no_more_room_than_what_was_learned(linear_closer, path):
    write_closer(linear_closer, path)
    record, tensors = taken_apart(path)
    size = {kind: sum(tensors[name].nbytes for name in tensors if name.startswith("steps.") == kind) for kind in (0, 1)}
    assert record["steps"] is not None
    assert size[1] <= max(size[0], 3 * 512 * 8)


def test_equal_matrices_are_held_once(closers, path):
    write_closer(closers("joint whitening"), path)
    assert path.stat().st_size < 1.1 * 512 * 512 * 8


def test_awkward_names_of_groups(path, rng):
    names = ["text/query", "dict", "a.b", "картинка", "\ud800", 'x"\n']
    X = rng.normal(size=(12, 3))
    closer = Translation().fit(X, groups=np.repeat(names, 2))
    write_closer(closer, path)
    read = read_closer(path)
    assert read.groups_ == tuple(names)
    for name in names:
        np.testing.assert_array_equal(read.move(X, name), closer.move(X, name))


def test_names_of_columns_come_back(small, path):
    small.feature_names_in_ = np.array(["a", "b", "c", "d"], dtype=object)  # as from a data frame
    write_closer(small, path)
    np.testing.assert_array_equal(read_closer(path).feature_names_in_, small.feature_names_in_, strict=True)


def test_arrays_are_learned_in_the_order_in_which_they_are_read(any_closer):
    """A product of the same numbers in another order of memory may differ in its last bit."""

    def arrays(value):
        if isinstance(value, dict):
            return [array for part in value.values() for array in arrays(part)]
        return [value] if isinstance(value, np.ndarray) else []

    learned = {key: value for key, value in vars(any_closer).items() if key[0] != "_" and key[-1] == "_"}
    assert all(array.flags.c_contiguous for array in arrays(learned))


def test_any_order_of_memory_is_written_the_same(path, rng):
    closer = Whitening().fit(rng.normal(size=(30, 4)))
    matrix = rng.normal(size=(4, 4))
    for same in (matrix, np.asfortranarray(matrix), np.repeat(matrix, 2, axis=0)[::2], matrix[::-1].copy()[::-1]):
        closer.matrices_ = {"rows": same}
        write_closer(closer, path)
        np.testing.assert_array_equal(read_closer(path).matrices_["rows"], matrix)


# the header


def test_the_header_says_it_all(small, path):
    facts = {"sources": ["a.npz"], "seed": np.int64(3), "table": [{"gap": np.float32(0.5), "n": None}]}
    write_closer(small, path, facts=facts)
    record = read_closer_record(path)
    digest = record.pop("digest")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert record == {
        "schema": 1,
        "kind": "closer",
        "crossgap": crossgap.__version__,
        "method": "MeanRemoval",
        "parameters": {"renormalise": True},
        "groups": ["image", "text"],
        "dimension": 4,
        "fit_rows": {"image": 3, "text": 3},
        "state": {"means_": {"dict": {"image": {"tensor": "means_.image"}, "text": {"tensor": "means_.text"}}}},
        "steps": {
            name: [
                {
                    "matrix": None,
                    "removed": None,
                    "offset": f"means_.{name}",
                    "appended": None,
                    "sign": -1,
                    "renormalise": True,
                }
            ]
            for name in ("image", "text")
        },
        "facts": {"sources": ["a.npz"], "seed": 3, "table": [{"gap": 0.5, "n": None}]},
    }


def test_the_digest_is_that_of_the_file(small, path):
    write_closer(small, path)
    digest = read_closer_record(path)["digest"]
    content = path.read_bytes()
    assert content.count(digest.encode()) == 1
    assert hashlib.sha256(content.replace(digest.encode(), b"0" * 64)).hexdigest() == digest


def test_facts_change_the_digest(small, tmp_path):
    one = read_closer_record(write_closer(small, tmp_path / "a", facts={"seed": 0}))
    other = read_closer_record(write_closer(small, tmp_path / "b", facts={"seed": 1}))
    assert one["digest"] != other["digest"]


def test_facts_that_hold_a_blank_digest_are_left_alone(small, path):
    write_closer(small, path, facts={"note": "0" * 64})
    assert read_closer_record(path)["facts"]["note"] == "0" * 64
    read_closer(path)


# what cannot be written


def test_what_is_not_fitted_is_not_written(path):
    with pytest.raises(ValueError, match="MeanRemoval must be fitted before it is saved or exported"):
        write_closer(MeanRemoval(), path)
    assert not path.exists()


def test_a_foreign_closer_is_not_written(path, rng):
    class Own(MeanRemoval):
        pass

    with pytest.raises(TypeError, match=r"closer must be one of the closers of crossgap.close to be saved.* a Own"):
        write_closer(Own().fit(rng.normal(size=(4, 2))), path)


@pytest.mark.parametrize("facts", [{"x": np.nan}, {"x": {1, 2}}, {"x": np.zeros(2)}])
def test_facts_must_be_json(small, path, facts):
    with pytest.raises(TypeError, match="facts must be JSON with finite numbers, but they are not"):
        write_closer(small, path, facts=facts)
    assert not path.exists()


def test_nan_is_never_written(small, path):
    small.means_["text"] = np.array([1.0, np.nan, 0, 0])
    with pytest.raises(ValueError, match=r"means_.text must be finite to be saved, but it holds NaN or infinity"):
        write_closer(small, path)
    assert not path.exists()


def test_what_was_there_stays_where_writing_fails(small, path, monkeypatch):
    write_closer(small, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"cannot be written \(no space left on device\), so what was there before is kept"
    ):
        write_closer(small, path, facts={"seed": 1})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_folder_is_named(small, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        write_closer(small, tmp_path / "none" / "closer.safetensors")


# what cannot be read


def test_no_such_file(tmp_path):
    for read in (read_closer, read_closer_record):
        for missing in (tmp_path / "none.safetensors", tmp_path):
            with pytest.raises(FileNotFoundError, match="does not exist or is no file; give the path of a saved"):
                read(missing)


def test_cut_short_anywhere(small, path):
    write_closer(small, path, facts={"seed": 0})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"is cut short, damaged or no .safetensors file"):
            read_closer(path)


def test_any_byte_changed(small, path):
    write_closer(small, path, facts={"seed": 0})
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(FormatError, match="does not match its digest" if place >= header else r"\.$"):
            read_closer(path)


def test_bytes_added(small, path):
    write_closer(small, path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FormatError, match="is cut short, damaged or no"):
        read_closer(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 10**9])
def test_a_huge_header(path, length):
    path.write_bytes(length.to_bytes(8, "little") + b"{}" * 100)
    with pytest.raises(FormatError, match=r"is cut short, damaged or no .safetensors file"):
        read_closer(path)


def test_a_file_of_embeddings(path, rng):
    crossgap.write(crossgap.Embeddings.from_arrays(image=rng.normal(size=(3, 2)), text=rng.normal(size=(3, 2))), path)
    with pytest.raises(FormatError, match=r"without a closer \(it holds image, text\); fit one: crossgap close SOURCE"):
        read_closer(path)


def test_a_checkpoint_of_training(path):
    from torch import nn

    from crossgap.train.checkpoint import save_model

    save_model(nn.Linear(2, 2), path)
    with pytest.raises(FormatError, match="holds a 'model' of crossgap and not a closer"):
        read_closer(path)


@pytest.mark.parametrize(
    "text", ["", "[1]", "nonsense", "[" * 100_000, '{"kind": "closer", "x": NaN}', '{"kind": "closer", "x": 1e999}']
)
def test_a_header_that_is_no_record(path, text):
    save_file({"x": np.zeros(2)}, path, {"crossgap": text})
    with pytest.raises(FormatError, match=r"without a closer \(it holds x\)"):
        read_closer(path)


def test_an_array_of_bfloat16(small, path):
    import torch
    from safetensors.torch import save as save_torch

    write_closer(small, path)
    record, tensors = taken_apart(path)
    blank = "0" * 64
    content = save_torch(
        {name: torch.tensor(array).bfloat16() for name, array in tensors.items()},
        {"crossgap": json.dumps({**record, "digest": blank})},
    )
    path.write_bytes(content.replace(blank.encode(), hashlib.sha256(content).hexdigest().encode(), 1))
    with pytest.raises(FormatError, match="as BF16, which no closer uses"):
        read_closer(path)


def put(*keys, to):
    """Return a change of the record that puts a value at a path of keys."""

    def change(record, tensors):
        place = record
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


def drop(*keys):
    """Return a change of the record that leaves a key out."""

    def change(record, tensors):
        place = record
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def tensor(name, values):
    """Return a change of one array."""

    def change(record, tensors):
        tensors[name] = np.array(values)

    return change


def both(*changes):
    def change(record, tensors):
        for one in changes:
            one(record, tensors)

    return change


def deep(record, tensors):
    value: dict = {"dict": {}}
    for _ in range(100):
        value = {"dict": {"x": value}}
    record["state"]["means_"] = value


MEANS = ("state", "means_", "dict")
WRONG = {
    "a newer schema": (put("schema", to=2), r"was written by a newer crossgap \('0.1.0'\) in schema 2.*up to 1"),
    "a schema that is no number": (put("schema", to="1"), "was written by a newer crossgap"),
    "another kind": (put("kind", to="atlas"), "holds a 'atlas' of crossgap and not a closer"),
    "no parameters": (drop("parameters"), "has a header without a usable 'parameters'"),
    "a dimension that is no number": (put("dimension", to=True), "has a header without a usable 'dimension'"),
    "no groups": (both(put("groups", to=[]), put("fit_rows", to={})), "groups, rows and dimension disagree"),
    "groups that are no strings": (put("groups", to=[1, 2]), "groups, rows and dimension disagree"),
    "one group twice": (put("groups", to=["text", "text"]), "groups, rows and dimension disagree"),
    "rows of other groups": (put("fit_rows", "audio", to=3), "groups, rows and dimension disagree"),
    "no rows": (put("fit_rows", "text", to=0), "groups, rows and dimension disagree"),
    "a dimension of 0": (put("dimension", to=0), "groups, rows and dimension disagree"),
    "another dimension": (put("dimension", to=5), "lacks a part, or has one of a wrong type or shape"),
    "a huge dimension": (put("dimension", to=10**9), "groups, rows and dimension disagree"),
    "an unknown method": (put("method", to="Zauber"), "names the method 'Zauber', which this version does not know"),
    "a method of another module": (put("method", to="os.system"), "names the method 'os.system'"),
    "another method": (put("method", to="Translation"), "has the parameters renormalise, where Translation has"),
    "another parameter": (put("parameters", "x", to=1), "has the parameters renormalise, x, where MeanRemoval has"),
    "no state": (put("state", to={}), r"wrong type or shape \('MeanRemoval' object has no attribute 'means_'\)"),
    "no state and no tensors": (
        both(put("state", to={}), put("steps", to=None), lambda record, tensors: tensors.clear()),
        r"lacks a part, or has one of a wrong type or shape \('MeanRemoval' object has no attribute 'means_'\)",
    ),
    "state of one group alone": (
        both(drop(*MEANS, "text"), put("steps", to=None), lambda record, tensors: tensors.pop("means_.text")),
        r"lacks a part, or has one of a wrong type or shape \('text'\)",
    ),
    "state of a wrong type": (put("state", "means_", to=3), "lacks a part, or has one of a wrong type or shape"),
    "tensors that nothing names": (both(put("state", to={}), put("steps", to=None)), "'means_.*', which nothing names"),
    "state that names a tensor that is missing": (
        put(*MEANS, "text", "tensor", to="none"),
        "names the tensor 'none', which is missing",
    ),
    "state that a closer never has": (put("state", "transform", to=3), "holds 'transform', which is nothing that"),
    "state that is a method": (put("state", "__class__", to=3), "holds '__class__', which is nothing that"),
    "state that the header says itself": (put("state", "groups_", to=3), "holds 'groups_', which is nothing that"),
    "state that is deep": (deep, "is nested too deeply"),
    "a value of no kind": (put("state", "means_", to={"a": 1, "b": 2}), "which is no value of this format"),
    "a tensor of a wrong shape": (tensor("means_.text", [1.0, 2.0]), "wrong type or shape"),
    "a tensor of no shape": (
        both(tensor("means_.text", 1.0), put("steps", to=None)),
        r"shape \(offset must have the shape \(4,\) for rows of 4 columns, but it has \(\)\)",
    ),
    "NaN": (tensor("means_.text", [1.0, np.nan, 0, 0]), "holds NaN or infinity in 'means_.text'"),
    "infinity": (tensor("means_.text", [1.0, np.inf, 0, 0]), "holds NaN or infinity in 'means_.text'"),
    "a tensor more": (tensor("more", [1.0]), "holds the tensor 'more', which nothing names"),
    "no steps": (drop("steps"), "groups, rows and dimension disagree"),
    "steps of no kind": (put("steps", to=[]), "lists its steps wrongly"),
    "steps of another group": (put("steps", "audio", to=[]), "lists steps that are not those of the closer"),
    "other steps": (put("steps", "text", 0, "sign", to=1), "lists steps that are not those of the closer"),
    "more steps": (put("steps", "text", to=[]), "lists steps that are not those of the closer"),
    "a step of no kind": (put("steps", "text", to=[3]), "lists its steps wrongly"),
    "a step of no sign": (put("steps", "text", 0, "sign", to=3), "lists its steps wrongly"),
    "a step of no length": (put("steps", "text", 0, "renormalise", to=3), "lists its steps wrongly"),
    "a step of a missing tensor": (
        put("steps", "text", 0, "offset", to="no"),
        "names the tensor 'no', which is missing",
    ),
    "a step of a list": (put("steps", "text", 0, "matrix", to=[1]), r"names the tensor '\[1\]', which is missing"),
    "a step that removes a mean": (
        put("steps", "text", 0, "removed", to="means_.text"),
        "lists steps that are not those of the closer",
    ),
    "a step that appends a mean": (
        put("steps", "text", 0, "appended", to="means_.text"),
        "lists steps that are not those of the closer",
    ),
    "a step of two kinds": (
        both(*(put("steps", "text", 0, part, to="means_.text") for part in ("matrix", "removed"))),
        "lists its steps wrongly",
    ),
    "a step that lacks a key": (drop("steps", "text", 0, "appended"), "lists its steps wrongly"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_was_made_wrongly(small, path, wrong):
    change, message = WRONG[wrong]
    changed(path, small, change)
    with pytest.raises(FormatError, match=message) as caught:
        read_closer(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_row_of_which_nothing_is_left_is_no_fault_of_the_file(path):
    X = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    closer = MeanRemoval().fit(X[:2])
    write_closer(closer, path)
    np.testing.assert_array_equal(read_closer(path).means_["rows"], closer.means_["rows"])


def test_steps_of_a_closer_that_has_none(path, rng):
    write_closer(Corruption().fit(rng.normal(size=(6, 4))), path)
    record, tensors = taken_apart(path)
    put_together(path, {**record, "steps": {"rows": []}}, tensors)
    with pytest.raises(FormatError, match="lists steps that are not those of the closer"):
        read_closer(path)


def test_reading_draws_no_noise(path, rng):
    X = rng.normal(size=(6, 4))
    closer = Corruption(seed=3).fit(X)
    write_closer(closer, path)
    np.testing.assert_array_equal(read_closer(path).corrupt(X), closer.corrupt(X))


def test_infinite_parameters_come_back(path, rng):
    closer = MemoryProjection(temperature=np.inf, neighbours=2).fit(rng.normal(size=(6, 4)))
    write_closer(closer, path)
    assert read_closer(path).temperature == np.inf


def test_reading_warns_of_nothing(any_closer, path):
    write_closer(any_closer, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_closer(path)


# whatever stands in the record, it is refused or it works

ODD = [None, True, -1, 0, 1.5, 1e308, 10**400, "", "x", [], {}, [None], {"dict": {}}, {"infinity": 1}, {"float16": 1}]


def places(value, at=()):
    """Return the path of every value of a tree of JSON."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in parts for place in places(part, (*at, key)))]


@pytest.mark.parametrize(
    "label",
    ["translation onto images", "realign", "nearest memory", "gap direction", "score standardisation", "corruption"],
)
def test_odd_values_anywhere(closers, tmp_path, rng, label):
    method = type(closers(label))
    X = rng.normal(size=(12, 4))
    closer = method(**closers(label).get_params()).fit(X, groups=np.repeat(["image", "text"], 6), items=[*range(6)] * 2)
    path = write_closer(closer, tmp_path / "closer.safetensors", facts={"seed": 0})
    record, tensors = taken_apart(path)
    text = json.dumps(record)
    refused = []
    for place in places(record)[1:]:
        for value in rng.choice(np.array(ODD, dtype=object), 4, replace=False):
            changed = json.loads(text)
            put(*place, to=value)(changed, tensors)
            put_together(path, changed, tensors)
            try:
                read_closer(path).move(X[:6], "image")
            except FormatError as error:
                refused.append(str(error))
            except ValueError:
                pass  # a parameter that fits may still be out of range
    assert len(refused) > 50
    assert not any("\n" in message for message in refused)


def test_strings_in_the_place_of_numbers_are_refused(path):
    """NumPy would turn them into numbers where they are applied, and fail where they are compared."""
    X, groups = np.random.default_rng(0).normal(size=(8, 3)), ["image"] * 4 + ["text"] * 4

    def change(record, tensors):
        record["state"]["offsets_"] = {"dict": {name: {"strings": ["0.1"] * 3} for name in ("image", "text")}}

    changed(path, Translation().fit(X, groups=groups), change)
    with pytest.raises(FormatError, match="has a part that holds no numbers"):
        read_closer(path)
