import pytest

from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.folds import as_is, other_half
from crossgap.evaluate.mixed import evaluate_mixed
from crossgap.evaluate.retrieval import evaluate_retrieval
from crossgap.evaluate.terminal import lines

FEW = Resampling(replicates=20)
INPUTS = [{"group": "image", "n": 120, "d": 16}, {"group": "text", "n": 120, "d": 16}]


def test_verdicts_come_first_then_a_table_then_how(pairs):
    found = evaluate_mixed(
        other_half(pairs),
        queries=["text"],
        resampling=FEW,
        inputs=INPUTS,
        settings={"fitted": "something", "notes": ["a note."]},
    )
    text = list(lines(found, width=110))
    assert text[0].startswith("- text queries: close it: NDCG@10 rises by")
    (head,) = [line for line in text if line.split() == ["before", "after", "difference"]]
    rows = text[text.index(head) + 1 :]
    assert rows[0].startswith("modality_share @10  text > image (0.504 of the corpus)")
    assert sum(line.startswith("modality_share @") for line in rows) == 2
    assert any(line.startswith("share of image for text queries: before") for line in rows)
    whole = " ".join(text)
    assert "image 120 x 16, text 120 x 16; something; 95% intervals from 20 bootstrap replicates, seed 0." in whole
    assert "With -o, the file also holds: cosine_deviation, cosine_mean, hubness, modality_share_excess_part" in whole
    assert text[-1] == "a note."
    assert all(len(line) <= 130 for line in text)


def test_one_version_has_one_column(pairs):
    found = evaluate_retrieval(as_is(pairs), resampling=Resampling(replicates=0), inputs=INPUTS)
    text = list(lines(found, width=80))
    assert any(line.split() == ["as", "is"] for line in text)
    assert any(line.startswith("recall @1  image > text ") and line.split()[-1].startswith("0.") for line in text)
    assert "no intervals" in " ".join(text)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("task", ["mixed", "retrieval"])
def test_no_line_is_wider_than_the_terminal(pairs, task, width):
    if task == "mixed":
        found = evaluate_mixed(other_half(pairs), queries=["text", "image"], resampling=FEW, inputs=INPUTS)
    else:
        found = evaluate_retrieval(other_half(pairs), resampling=FEW, inputs=INPUTS)
    text = list(lines(found, width=width))
    assert max(map(len, text)) <= width
    label = "ndcg @10  text" if task == "mixed" else "recall @1  text > image"
    (place,) = [i for i, line in enumerate(text) if line.startswith(label)]
    assert " ".join(text[place : place + (4 if width == 60 else 2)]).count("[") >= 3  # beside or below it


def test_too_few_items_are_told(pairs):
    few = pairs.sample_items(5, seed=0)
    text = " ".join(lines(evaluate_retrieval(as_is(few), resampling=FEW, inputs=INPUTS)))
    assert "no intervals, which need at least 10 items, seed 0." in text
