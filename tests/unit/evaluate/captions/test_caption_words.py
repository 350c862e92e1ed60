"""What is refused before captions are scored."""

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.evaluate.captions import bleu, caption_words, cider, cider_d, rouge_l


@pytest.mark.parametrize("score", [bleu, rouge_l, cider_d, cider])
def test_what_every_score_refuses(score):
    with pytest.raises(ValueError, match=r"equally many, but there are 1 and 2; give one list"):
        score(["a"], [["a"], ["b"]])
    with pytest.raises(DegenerateError, match=r"at least one item, but there is none; give some"):
        score([], [])
    with pytest.raises(ValueError, match=r"at least one reference, but item 1 has none; add one or leave it out"):
        score(["a", "b"], [["a"], []])
    with pytest.raises(TypeError, match=r"those of item 0 are one text; put it in a list"):
        score(["a"], ["a"])
    with pytest.raises(TypeError, match=r"a caption must be text or a list of words, but it is of type int"):
        score([1], [["a"]])
    with pytest.raises(ValueError, match=r"one row for each of the 1 items, but they have shape \(2, 3\)"):
        score(["a"], [["a"]], weights=np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"one row for each of the 1 items, but they have shape \(1,\)"):
        score(["a"], [["a"]], weights=np.ones(1))


@pytest.mark.parametrize("score", [bleu, rouge_l, cider_d, cider])
def test_weights_of_one_give_the_value_and_whole_weights_repeat_items(score):
    candidates = ["a red dog runs", "a cat sleeps on a bed", "one bird"]
    references = [["a red dog", "the dog runs"], ["a cat is on the bed"], ["a bird", "two birds fly"]]
    once = score(candidates, references)
    columns = np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 1.0]])
    found = score(candidates, references, weights=columns)
    np.testing.assert_allclose(found[0], once, rtol=1e-12)
    if score in (bleu, rouge_l):  # the counts of the corpus do not matter
        repeated = score([candidates[0], candidates[0], candidates[2]], [references[i] for i in (0, 0, 2)])
        np.testing.assert_allclose(found[1], repeated, rtol=1e-12)


@pytest.mark.parametrize("score", [bleu, rouge_l, cider_d, cider])
def test_words_may_be_given_and_a_tokeniser_matters(score):
    texts, listed = ["A Dog!", "one cat"], [["a dog", "dogs"], ["A cat."]]
    np.testing.assert_array_equal(score(texts, listed), score(*caption_words(texts, listed)))
    other = score(texts, listed, tokenise=str.split)
    assert not np.array_equal(score(texts, listed), other)
