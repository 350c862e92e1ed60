"""Closers compared for a page, and real queries before and after one of them."""

import numpy as np
import pytest

from crossgap import Embeddings, Group, measure
from crossgap.cli.close import METHODS, built
from crossgap.close import choose
from crossgap.report.details.closers import closer_candidates, closers
from crossgap.report.details.ranking_examples import ranking_examples
from crossgap.report.selection import Settings

SETTINGS = Settings(replicates=30, level=0.95, seed=0, precision=0.9, most_rows=10_000)


@pytest.fixture(scope="module")
def pairs() -> Embeddings:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((70, 16))
    shift = 3 * np.eye(16)[0]
    return Embeddings.from_arrays(image=z + shift, text=z + 0.5 * rng.standard_normal((70, 16)) - shift)


@pytest.fixture(scope="module")
def compared(pairs) -> dict:
    return closers(pairs, SETTINGS)


@pytest.fixture(scope="module")
def ranked(pairs, compared) -> list[dict]:
    return ranking_examples(pairs, SETTINGS, compared)


# closers


def test_candidates_are_methods_of_the_command_line_in_its_order():
    candidates = closer_candidates()
    assert [name for name in METHODS if name in candidates] == list(candidates)
    for name, closer in candidates.items():
        assert type(closer) is type(built(name))
        assert closer.get_params() == built(name).get_params()


def test_the_choice_is_that_of_the_library(pairs, compared):
    choice = choose(pairs, candidates=closer_candidates(), replicates=30, seed=0)
    assert compared["chosen"] == choice.chosen == "mean-removal"
    assert compared["why"] == choice.why
    told = [verdict.sentence for verdict in choice.verdicts]
    assert [verdict["sentence"].split(";")[0] for verdict in compared["verdicts"]] == [
        one.split(";")[0] for one in told
    ]
    row = choice.comparison.row("whitening")
    (found,) = [one for one in compared["candidates"] if one["name"] == "whitening"]
    for change in found["changes"]:
        expected = row.find(change["name"], *change["groups"])
        assert change["after"] == pytest.approx(expected.after, rel=1e-5)
        assert change["before"] == pytest.approx(expected.before, rel=1e-5)
    assert {"centroid_distance", "ndcg_at_k", "recall_at_k", "neighbour_overlap"} <= {
        change["name"] for change in found["changes"]
    }


def test_a_candidate_that_cannot_be_fitted_says_why(pairs):
    shared = {name: np.arange(70) if name == "image" else np.arange(40, 110) for name in pairs}
    e = Embeddings({name: Group(vectors=group.vectors, items=shared[name]) for name, group in pairs.items()})
    found = closers(e, SETTINGS)
    assert all(("changes" in one) != ("reason" in one) for one in found["candidates"])


def test_wide_vectors_skip_what_takes_long():
    rng = np.random.default_rng(0)
    e = Embeddings.from_arrays(image=rng.normal(size=(40, 800)) + 1, text=rng.normal(size=(40, 800)) - 1)
    skipped = {one["name"]: one for one in closers(e, SETTINGS)["candidates"] if "reason" in one}
    assert set(skipped) == {"whitening", "procrustes", "ridge-map"}
    assert "more than 768 dimensions" in skipped["procrustes"]["sentence"]


def test_too_few_items_give_a_reason(pairs):
    few = pairs.sample_items(12)
    assert "at least 10 items" in closers(few, SETTINGS)["reason"]


# examples


def test_five_queries_of_each_group_and_five_answers(ranked):
    assert [entry["queries"] for entry in ranked] == ["image", "text"]
    for entry in ranked:
        assert len(entry["examples"]) == 5
        assert entry["how"].startswith(f"5 of the 70 rows of {entry['queries']} that have a right answer")
        for one in entry["examples"]:
            assert len(one["before"]) == len(one["after"]) == entry["k"] == 5
            assert one["query"]["group"] == entry["queries"]


def test_answers_before_are_those_of_a_mixed_search(pairs, ranked):
    corpus = {name: group.vectors for name, group in pairs.items()}
    for entry in ranked:
        search = measure.mixed_search(corpus[entry["queries"]], corpus, k=5, own=entry["queries"])
        for one in entry["examples"]:
            row = one["query"]["row"]
            expected = [
                (search.names[group], int(place))
                for group, place in zip(search.group[row], search.row[row], strict=True)
            ]
            assert [(answer["group"], answer["row"]) for answer in one["before"]] == expected
            np.testing.assert_allclose([answer["score"] for answer in one["before"]], search.cosine[row], rtol=1e-5)


def test_answers_after_are_those_of_the_closer_fitted_on_the_other_items(pairs, ranked):
    shown = {one["query"]["row"] for entry in ranked for one in entry["examples"]}
    others = np.array([row for row in range(70) if row not in shown])
    closer = built("mean-removal").fit_embeddings(
        Embeddings({name: group.take(others) for name, group in pairs.items()})
    )
    moved = {name: closer.move(np.asarray(group.vectors), name) for name, group in pairs.items()}
    for entry in ranked:
        assert (entry["closer"], entry["chosen"]) == ("mean-removal", True)
        assert f"fitted on {len(others)} rows of image, {len(others)} rows of text" in entry["how"]
        search = measure.mixed_search(moved[entry["queries"]], moved, k=5, own=entry["queries"])
        for one in entry["examples"]:
            row = one["query"]["row"]
            expected = [
                (search.names[group], int(place))
                for group, place in zip(search.group[row], search.row[row], strict=True)
            ]
            assert [(answer["group"], answer["row"]) for answer in one["after"]] == expected


def test_right_answers_and_their_first_place(pairs, ranked):
    corpus = {name: group.vectors for name, group in pairs.items()}
    for entry in ranked:
        name = entry["queries"]
        search = measure.mixed_search(corpus[name], corpus, k=139, own=name)
        for one in entry["examples"]:
            row = one["query"]["row"]
            assert all(answer["right"] == (answer["row"] == row) for answer in one["before"])
            place = 1 + next(
                i for i in range(139) if search.names[search.group[row, i]] != name and search.row[row, i] == row
            )
            assert one["first_right"]["before"] == place
            assert one["first_right"]["after"] < place


def test_another_seed_draws_other_queries(pairs, ranked):
    other = ranking_examples(pairs, Settings(replicates=30, level=0.95, seed=4, precision=0.9, most_rows=10_000))
    rows = [[one["query"]["row"] for one in entries[0]["examples"]] for entries in (ranked, other)]
    assert rows[0] != rows[1]
    assert other[0]["examples"][0]["after"] is None
    assert other[0]["closer"] is None


def test_only_queries_that_have_an_answer_and_no_two_of_one_item(pairs):
    e = Embeddings(
        {
            "image": Group(vectors=np.asarray(pairs["image"].vectors), items=np.arange(70)),
            "text": Group(vectors=np.asarray(pairs["text"].vectors), items=np.repeat(np.arange(60, 67), 10)),
        }
    )
    image, text = ranking_examples(e, SETTINGS)
    assert all(60 <= one["query"]["row"] < 67 for one in image["examples"])
    assert len({one["query"]["row"] // 10 for one in text["examples"]}) == 5
    assert text["how"].startswith("5 of the 70 rows of text")


def test_what_is_best_but_not_chosen_says_so(pairs, compared):
    entry = ranking_examples(pairs, SETTINGS, {**compared, "chosen": "none", "judged": "whitening"})[0]
    assert (entry["closer"], entry["chosen"]) == ("whitening", False)
    assert "the choice is to leave the rows as they are" in entry["how"]


def test_standardised_scores_are_named(pairs, compared):
    entry = ranking_examples(pairs, SETTINGS, {**compared, "judged": "score-standardisation"})[0]
    assert entry["scores"] == {"before": "cosine", "after": "standardised cosine"}
    scores = [answer["score"] for one in entry["examples"] for answer in one["after"]]
    assert max(scores) > 1


def test_nothing_left_to_fit_on_is_said(compared):
    e = Embeddings.from_arrays(image=np.eye(4), text=np.eye(4) + 0.1)
    entry = ranking_examples(e, SETTINGS, {**compared, "judged": "mean-removal"})[0]
    assert entry["closer"] is None
    assert "No closer is shown: nothing is left" in entry["how"]


def test_a_query_without_words_is_told_by_its_match():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((30, 8))
    words = [f"caption {number}" for number in range(30)]
    found = Embeddings({"image": Group(vectors=rows), "text": Group(vectors=rows + 0.1, text=words)})
    of_images, of_texts = ranking_examples(found, SETTINGS)
    for example in of_images["examples"]:
        assert example["match"] == {
            "group": "text",
            "row": example["query"]["row"],
            "text": f"caption {example['query']['row']}",
        }
    assert all("match" not in example for example in of_texts["examples"])
