import json

import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.train.tokeniser import WordTokeniser

CAPTIONS = ["A dog runs.", "a red dog", "Cats & dogs, 2 of them!"]


def test_ids_follow_frequency_then_the_alphabet_and_not_the_order_of_captions():
    tokeniser = WordTokeniser.from_captions(CAPTIONS)
    assert tokeniser.words == ("a", "dog", "!", "&", ",", ".", "2", "cats", "dogs", "of", "red", "runs", "them")
    assert WordTokeniser.from_captions(CAPTIONS[::-1]).words == tokeniser.words
    assert tokeniser.length == 8  # Cats & dogs , 2 of them !
    assert len(tokeniser) == 15


def test_encoding_pads_cuts_and_knows_what_it_does_not_know():
    tokeniser = WordTokeniser(["a", "dog"], length=3)
    ids = tokeniser.encode(["A dog", "dog dog dog dog", "my dog", "", "?!"])
    assert ids.dtype == torch.int64
    assert ids.tolist() == [[2, 3, 0], [3, 3, 3], [1, 3, 0], [1, 0, 0], [1, 1, 0]]
    assert tokeniser.count_cut(["dog dog dog dog", "dog dog dog"]) == 1
    assert tuple(tokeniser.encode([]).shape) == (0, 3)


def test_letters_are_brought_to_one_form():
    tokeniser = WordTokeniser.from_captions(["Café ＡＢＣ"])
    assert tokeniser.words == ("abc", "café")
    assert tokeniser.encode(["CAFE\u0301 abc"]).tolist() == [[3, 2]]


def test_rare_words_can_be_left_out():
    assert WordTokeniser.from_captions(CAPTIONS, least_count=2).words == ("a", "dog")
    assert WordTokeniser.from_captions(CAPTIONS, most_words=1).words == ("a",)
    assert WordTokeniser.from_captions(CAPTIONS, length=2).encode(CAPTIONS).shape == (3, 2)


def test_it_is_saved_as_plain_json(tmp_path):
    tokeniser = WordTokeniser.from_captions([*CAPTIONS, "naïve 😀"], length=5)
    tokeniser.save(tmp_path / "words.json")
    record = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert set(record) == {"length", "words"}
    again = WordTokeniser.load(tmp_path / "words.json")
    assert (again.words, again.length) == (tokeniser.words, 5)
    assert torch.equal(again.encode(CAPTIONS), tokeniser.encode(CAPTIONS))


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"words": ["a"]}', '{"words": "a", "length": 2}', '{"words": [1], "length": 2}',
     '{"words": ["a", "a"], "length": 2}', '{"words": ["a"], "length": 0}', '{"words": ["a"], "length": "2"}'],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "words.json").write_text(text)
    with pytest.raises(FormatError, match="is not a tokeniser's file"):
        WordTokeniser.load(tmp_path / "words.json")


def test_refusals():
    with pytest.raises(ValueError, match="length must be a whole number of at least 1, but it is 0"):
        WordTokeniser(["a"], length=0)
    with pytest.raises(ValueError, match="words must differ, but 1 of 2 are given again"):
        WordTokeniser(["a", "a"], length=1)
    with pytest.raises(DegenerateError, match="the captions hold no word"):
        WordTokeniser.from_captions(["", " "])
    with pytest.raises(TypeError, match="captions must be a list of captions, but it is one string"):
        WordTokeniser(["a"], length=1).encode("a dog")
    with pytest.raises(FileNotFoundError):
        WordTokeniser.load("no such file")
