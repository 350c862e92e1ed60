"""Values become JSON and arrays, and come back as they were."""

import json

import numpy as np
import pytest

from crossgap.close.state_tree import pack, tensor_name, unpack


def there_and_back(value):
    tensors: dict[str, np.ndarray] = {}
    packed = json.loads(json.dumps(pack(value, tensors, name="x"), allow_nan=False))
    used: set[str] = set()
    found = unpack(packed, tensors, used)
    assert used == set(tensors)
    return found


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -3, 10**30, 0.1, -0.0, np.inf, -np.inf, "", "text/query", "\ud800"),
        *(np.float64(0.1), np.float32(0.1), np.float16(0.1), np.int64(2**62), np.uint8(255), np.bool_(True)),
        *([], (), {}, [1, [2.0]], (1, ("a", None)), {"a": {"b": (1,)}, "tensor": 1}, {"dict": {}}),
    ],
    ids=repr,
)
def test_plain_values(value):
    found = there_and_back(value)
    assert type(found) is type(value)
    assert found == value
    assert str(found) == str(value)  # tells -0.0 from 0.0


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 4), (2, 3, 2)])
def test_arrays(dtype, shape, rng):
    array = (10 * rng.normal(size=shape)).astype(dtype)
    found = there_and_back({"a": (array,)})["a"][0]
    np.testing.assert_array_equal(found, array, strict=True)


def test_an_array_of_strings():
    for names in (np.array(["a", "b"], dtype=object), np.array(["a", "b"])):
        assert there_and_back(names).tolist() == ["a", "b"]


def test_names_of_arrays_say_where_they_stand():
    tensors: dict[str, np.ndarray] = {}
    packed = pack({"image": np.zeros(1), "text": [np.ones(1)]}, tensors, name="means_")
    assert list(tensors) == ["means_.image", "means_.text.0"]
    assert packed == {"dict": {"image": {"tensor": "means_.image"}, "text": [{"tensor": "means_.text.0"}]}}


def test_two_arrays_never_share_a_name():
    tensors: dict[str, np.ndarray] = {}
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(1)}}
    found = unpack(pack(value, tensors, name="x"), tensors, set())
    assert (found["a.b"], found["a"]["b"]) == (0, 1)
    assert tensor_name("x", {"x": 1, "x~2": 1}) == "x~3"
    assert tensor_name("\ud800", {}) == "\\ud800"


def test_equal_arrays_are_held_once():
    tensors: dict[str, np.ndarray] = {}
    pack([np.zeros(2), np.zeros(2), np.zeros(2, np.float32), np.zeros((1, 2))], tensors, name="x")
    assert list(tensors) == ["x.0", "x.2", "x.3"]


@pytest.mark.parametrize(
    "value", [{1: 2}, {1, 2}, object(), b"x", 1j, np.complex128(1)], ids=lambda value: type(value).__name__
)
def test_what_is_neither_json_nor_array(value):
    with pytest.raises(TypeError, match=r"x\.0 must be a number, a string, an array, None, or a list"):
        pack([value], {}, name="x")


@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array([1, None]), np.zeros(2, "M8[s]")], ids=str)
def test_arrays_of_no_numbers(array):
    with pytest.raises(TypeError, match="x must be an array of numbers, so that it can be saved, but its dtype is"):
        pack(array, {}, name="x")


def test_nan():
    with pytest.raises(ValueError, match="x must be finite to be saved, but it is nan"):
        pack(np.nan, {}, name="x")
    with pytest.raises(ValueError, match=r"x\.0 must be finite to be saved, but it is inf"):
        pack([np.float32(np.inf)], {}, name="x")
    with pytest.raises(ValueError, match="x must be finite to be saved, but it holds NaN or infinity"):
        pack(np.array([np.nan]), {}, name="x")


@pytest.mark.parametrize(
    "packed",
    [
        *({}, {"a": 1, "b": 2}, {"dict": 3}, {"tuple": {}}, {"strings": [1]}, {"strings": "ab"}, {"tensor": 3}),
        *({"complex128": 1}, {"int8": 300}, {"uint8": 1.5}, {"float16": 1e30}, {"float32": 0.1}, {"int64": 1e300}),
        *({"infinity": 2}, {"float64": "1"}, {"object": 1}),
    ],
    ids=repr,
)
def test_hostile_json(packed):
    with pytest.raises(ValueError, match=r"^holds .*, which is no "):
        unpack([packed], {}, set())


def test_a_missing_array():
    with pytest.raises(ValueError, match="names the tensor 'a', which is missing"):
        unpack({"tensor": "a"}, {}, set())


def test_depth():
    value: list = []
    for _ in range(100):
        value = [value]
    with pytest.raises(ValueError, match="is nested too deeply"):
        unpack(value, {}, set())
