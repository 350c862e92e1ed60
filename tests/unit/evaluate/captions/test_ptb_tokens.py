"""The words of a caption against those of the original tokeniser."""

import gzip

import pytest

from crossgap.evaluate.captions import ptb_tokens


def test_words_of_real_captions_are_those_of_the_original(original_scores):
    assert [ptb_tokens(caption) for caption in original_scores["candidates"]] == original_scores["words"]


def test_words_of_odd_captions_are_those_of_the_original(original_scores):
    assert len(original_scores["odd"]) > 15
    for case in original_scores["odd"]:
        assert ptb_tokens(case["caption"]) == case["words"], case["caption"]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("", []),
        (" \t\r\n ", []),
        ("...", []),
        ("A dog\nruns.\u2028Fast!", ["a", "dog", "runs", "fast"]),
        ("The sign reads K.", ["the", "sign", "reads", "k"]),
        ("twelve o’clock", ["twelve", "o'clock"]),
        ("ខ្មែរ", ["ខ្មែរ"]),
        ("\ud800 lone", ["lone"]),
        ("a\x00b\x1fc", ["a", "b", "c"]),
        ("<a\x01b> <i class=x>y</i>", ["<a", "b>", "<i", "class=x>", "y", "</i>"]),
        ("İstanbul STRASSE ǅ", ["i̇stanbul", "strasse", "ǆ"]),
    ],
)
def test_what_differs_or_is_rare(caption, words):
    assert ptb_tokens(caption) == words


@pytest.mark.parametrize("part", ["word ", "a-", "a'", "<a ", "http://", "ab.", "a%", "(^_^)", "a@", "x" * 50 + "@"])
def test_long_runs_of_odd_signs_come_to_an_end(part):
    assert ptb_tokens(part * (60_000 // len(part)))


def test_only_text_is_taken():
    with pytest.raises(TypeError, match=r"a caption must be text, but it is of type int; give one string\."):
        ptb_tokens(3)  # pyright: ignore[reportArgumentType]


def test_all_captions_of_the_real_data_have_words(shared_data):
    with gzip.open(shared_data / "captions" / "coco_val2017.tsv.gz", "rt", encoding="utf-8") as file:
        captions = [line.rstrip("\n").split("\t", 1)[1] for line in file]
    assert all(ptb_tokens(caption) for caption in captions if any(letter.isalnum() for letter in caption))
