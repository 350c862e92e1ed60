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
