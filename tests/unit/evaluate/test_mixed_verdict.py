import pytest

from crossgap.evaluate.mixed_verdict import MixedNumbers, mixed_verdict
from crossgap.evaluate.share_causes import ShareCauses
from crossgap.results import Measurement


def _number(name, groups, version, value, interval=(0.0, 0.0), **options):
    return Measurement(
        name=name, groups=groups, value=value, interval=interval, options={"k": 10, "version": version, **options}
    )


def _numbers(*, gain=None, fairer=(0.1, 0.05, 0.15), before=0.1, after=0.5, causes=()):
    found = []
    for group, share in (("text", 1.0), ("image", 0.0)):
        sign = 1 if group == "image" else -1
        values = {"before": share + sign * before, "after": share + sign * after}
        for version, value in values.items():
            found.append(_number("modality_share_at_k", ("text", group), version, value, corpus_share=0.5))
    if fairer is not None:
        value, *limits = fairer
        found.append(_number("modality_fairness", ("text",), "difference", value, tuple(limits) or None))
    if gain is not None:
        value, low, high = gain
        found.append(_number("ndcg_at_k", ("text",), "difference", value, (low, high)))
        found.append(_number("ndcg_at_k", ("text",), "after", 0.6, (0.5, 0.7)))
    return MixedNumbers(queries="text", names=("text", "image"), k=10, measurements=tuple(found), causes=tuple(causes))


@pytest.mark.parametrize(
    ("numbers", "decision", "why"),
    [
        ({"gain": (0.2, 0.1, 0.3)}, "close it", "NDCG@10 rises by +0.200 [+0.100, +0.300] to 0.600 [0.500, 0.700]"),
        ({"gain": (-0.2, -0.3, -0.1)}, "leave it", "NDCG@10 falls by -0.200"),
        ({"gain": (0.0, -0.02, 0.02)}, "close it", "shares come nearer to those of the corpus, and NDCG@10 changes by"),
        ({"gain": (0.0, -0.02, 0.02), "fairer": (0.0, -0.01, 0.01)}, "leave it", "and shares come no nearer"),
        ({"gain": (0.0, -0.2, 0.2), "fairer": (0.0, -0.01, 0.01)}, "not enough data", "may be a gain or a loss"),
        ({}, "close it", "no ids say which rows are right, so only the shares speak"),
        ({"fairer": (-0.1, -0.2, -0.05)}, "leave it", "so only the shares speak"),
        ({"fairer": (0.0, -0.2, 0.2)}, "not enough data", "so only the shares speak"),
        ({"before": 0.46}, "leave it", "shares are within 0.05 of those of the corpus as it is; "),
        ({"before": 0.46, "gain": (0.0, -0.02, 0.02)}, "leave it", "as it is, and NDCG@10 changes by +0.000 [-0.020"),
        (
            {"before": 0.46, "gain": (0.0, -0.2, 0.2)},
            "not enough data",
            "as it is, and NDCG@10 changes by +0.000 [-0.2",
        ),
        ({"before": 0.46, "gain": (0.2, 0.1, 0.3)}, "close it", "NDCG@10 rises"),
        ({"fairer": (0.3,)}, "not enough data", "there are too few items for an interval"),
    ],
)
def test_each_case_has_its_sentence(numbers, decision, why):
    verdict = mixed_verdict(_numbers(**numbers), changes=True)
    assert verdict.decision == decision
    assert verdict.sentence.startswith(f"text queries: {decision}: ")
    assert why in verdict.sentence
    before = numbers.get("before", 0.1)
    shares = f"the share of image in the top 10 goes from {before:.3f} to 0.500 [0.000, 0.000], of 0.500 of the corpus."
    assert shares in verdict.sentence


@pytest.mark.parametrize(
    ("main", "because"),
    [
        ("right_answers", "mostly because the right answers are there"),
        ("level", "mostly because scores of text are still higher on average"),
        ("spread", "mostly because scores of text spread wider, so the extremes lie there"),
        ("rest", "mostly because of near neighbours, hubs or heavy tails"),
    ],
)
def test_what_is_left_is_explained(main, because):
    parts = dict.fromkeys(("right_answers", "level", "spread", "rest"), 0.01)
    causes = [ShareCauses(group="text", **{**parts, main: 0.27}), ShareCauses(group="image", **parts)]
    verdict = mixed_verdict(_numbers(gain=(0.2, 0.1, 0.3), after=0.2, causes=causes), changes=True)
    assert "text still takes +0.300 more than its share of the corpus" in verdict.sentence
    assert because in verdict.sentence


def test_within_the_tolerance_nothing_is_explained():
    near = mixed_verdict(_numbers(gain=(0.2, 0.1, 0.3), after=0.46), changes=True)
    assert "still takes" not in near.sentence
    far = mixed_verdict(_numbers(gain=(0.2, 0.1, 0.3), after=0.44), changes=True)
    assert far.sentence.endswith("text still takes +0.060 more than its share of the corpus.")


def test_without_a_second_version_numbers_are_told():
    found = [
        _number("modality_share_at_k", ("text", "text"), "as is", 0.9, corpus_share=0.6),
        _number("modality_share_at_k", ("text", "image"), "as is", 0.1, corpus_share=0.4),
        _number("ndcg_at_k", ("text",), "as is", 0.25),
    ]
    numbers = MixedNumbers(queries="text", names=("text", "image"), k=10, measurements=tuple(found))
    verdict = mixed_verdict(numbers, changes=False)
    assert verdict.decision == "measured"
    assert verdict.sentence == (
        "text queries: text takes 0.900 [0.000, 0.000] of the top 10, of 0.600 of the corpus, image takes 0.100 "
        "[0.000, 0.000] of the top 10, of 0.400 of the corpus; NDCG@10 0.250 [0.000, 0.000]."
    )
