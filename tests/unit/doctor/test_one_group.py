"""Each check of a single group: data that triggers it, and data that does not."""

import numpy as np
import pytest

from crossgap.data.embeddings import Group
from crossgap.data.location import locate
from crossgap.data.npy import read_npy
from crossgap.doctor import examine
from crossgap.doctor.survey import survey, unit_sample


@pytest.fixture
def clean(rng):
    x = rng.standard_normal((300, 64))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_clean_rows_give_nothing(found, clean):
    assert found(image=clean) == {}
    assert found(image=clean.astype(np.float16)) == {}


def test_zero_rows(found, clean):
    clean[[3, 250]] = 0
    (finding,) = found(image=clean)["zero-rows"]
    assert finding.severity == "error"
    assert finding.numbers["rows"] == 2
    assert "rows 3 and 250" in finding.evidence


def test_non_finite_rows(found, clean):
    clean[5, 1], clean[9, 2] = np.nan, np.inf
    findings = found(image=clean)
    assert findings["non-finite-rows"][0].severity == "error"
    assert "rows 5 and 9" in findings["non-finite-rows"][0].evidence
    assert set(findings) == {"non-finite-rows"}


def test_a_group_without_one_usable_row(found):
    findings = found(image=np.full((20, 40), np.nan), text=np.zeros((20, 40)))
    assert {"non-finite-rows", "zero-rows", "few-rows"} <= set(findings)


def test_lengths(found, clean):
    findings = found(image=3 * clean)
    (finding,) = findings["not-normalised"]
    assert finding.severity == "note"
    assert finding.numbers["mean_length"] == pytest.approx(3)
    assert "not-normalised" not in found(image=1.005 * clean)


def test_lengths_of_extreme_rows_stay_finite(found, clean):
    (finding,) = found(image=clean * 1e200)["not-normalised"]
    assert finding.numbers["mean_length"] == pytest.approx(1e200)


def test_half_precision_overflow(found, clean):
    half = clean.astype(np.float16)
    half[4, 0] = np.inf
    findings = found(image=half)
    assert findings["float16-overflow"][0].severity == "error"
    assert "non-finite-rows" not in findings
    half[4, 0], half[7, 0] = 0, np.nan
    assert set(found(image=half)) == {"non-finite-rows"}
    large = (clean * 200_000).astype(np.float32).clip(-60_000, 60_000).astype(np.float16)
    assert found(image=large)["float16-overflow"][0].severity == "warning"
    assert "float16-overflow" not in found(image=(clean * 200_000).astype(np.float32))


def test_half_precision_underflow(found, clean):
    (finding,) = found(image=(clean * 1e-3).astype(np.float16))["float16-underflow"]
    assert finding.severity == "warning"
    assert finding.numbers["tiny_share"] > 0.1
    assert "float16-underflow" not in found(image=(clean * 1e-3).astype(np.float32))
    assert "float16-underflow" not in found(image=np.maximum(clean, 0).astype(np.float16))


def test_one_coordinate_carries_the_norm(found, clean):
    hidden = clean.copy()
    hidden[:, 11] = 2.0  # 80 % of the squared length
    (finding,) = found(image=hidden)["dominant-coordinates"]
    assert finding.severity == "warning"
    assert finding.numbers["coordinate"] == 11
    assert finding.numbers["first_share"] == pytest.approx(0.8, abs=0.01)
    hidden[:, 11] = 0.6
    assert found(image=hidden)["dominant-coordinates"][0].severity == "note"
    five = clean.copy()
    five[:, :5] *= 15
    assert found(image=five)["dominant-coordinates"][0].severity == "warning"
    assert "dominant-coordinates" not in found(image=hidden[:, :16])


def test_no_entry_below_zero(found, clean):
    (finding,) = found(image=np.maximum(clean, 0))["non-negative-rows"]
    assert finding.severity == "warning"
    assert finding.numbers["zero_share"] == pytest.approx(0.5, abs=0.02)


def test_whole_numbers(found, clean):
    codes = np.rint(clean * 127)
    (finding,) = found(image=codes)["whole-numbers"]
    assert finding.severity == "warning"
    assert "whole-numbers" not in found(image=codes + 0.5)


def test_dead_coordinates(found, clean):
    clean[:, 5] = 0
    assert found(image=clean)["dead-coordinates"][0].severity == "note"
    clean[:, 20:40] = 0.01
    (finding,) = found(image=clean)["dead-coordinates"]
    assert finding.severity == "warning"
    assert finding.numbers["coordinates"] == 21


def test_duplicates(found, clean):
    clean[[17, 40]] = clean[3]
    (finding,) = found(image=clean)["duplicate-rows"]
    assert finding.severity == "note"
    assert finding.numbers["copies"] == 2
    assert "rows 3, 17 and 40" in finding.evidence
    ids = np.arange(300)
    ids[17] = 3
    (finding,) = found(image=clean, items={"image": ids})["duplicate-rows"]
    assert finding.numbers["copies_of_one_item"] == 1
    assert found(image=np.concatenate([clean, clean[:100]]))["duplicate-rows"][0].severity == "warning"


def test_collapse(found, clean):
    assert "collapsed-rows" in found(image=clean[:1] + 0.05 * clean)
    few = found(image=np.tile(clean[:3], (100, 1)))
    assert few["collapsed-rows"][0].numbers["distinct"] == 3
    assert "duplicate-rows" not in few
    assert "collapsed-rows" not in found(image=clean[:1] + 0.5 * clean)


@pytest.mark.parametrize(("n", "severity"), [(5, "warning"), (50, "note"), (64, "note"), (300, None)])
def test_few_rows(found, clean, n, severity):
    findings = found(image=clean[:n]).get("few-rows", [])
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_wide_groups_are_told_what_they_cannot_show(found, rng):
    (finding,) = found(image=rng.standard_normal((150, 200)), text=rng.standard_normal((150, 200)))["few-rows"]
    assert finding.groups == ("image", "text")
    assert "at most 149" in finding.evidence


def test_the_survey_equals_a_plain_computation(rng):
    x = rng.standard_normal((5000, 7)) * 4
    s = survey(x)
    lengths = np.linalg.norm(x, axis=1)
    unit = x / lengths[:, None]
    np.testing.assert_allclose(s.lengths, lengths)
    np.testing.assert_allclose(s.mean_unit, unit.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(s.share, (unit**2).mean(axis=0))
    np.testing.assert_allclose(s.low, x.min(axis=0))
    assert len(np.unique(s.digests)) == 5000
    assert s.largest == np.abs(x).max()


def test_readers_and_tensors_give_the_same_findings(clean, tmp_path):
    torch = pytest.importorskip("torch")
    clean[3] = clean[8]
    x = (2 * clean).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    reader, _ = read_npy(locate(tmp_path / "x.npy"))
    kinds = [x, reader, torch.from_numpy(x)]
    single = [examine({"image": Group(vectors=rows)}) for rows in kinds]
    assert [f.name for f in single[0]] == ["duplicate-rows", "not-normalised"]
    assert single[0] == single[1] == single[2]
    other = Group(vectors=x[::-1].copy() + np.float32(1e-3))
    double = [examine({"image": Group(vectors=rows), "text": other}) for rows in kinds]
    assert double[0] == double[1] == double[2]
    assert "misaligned-pairs" in {f.name for f in double[0]}


def test_half_tensors_are_read(clean):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(clean).to(torch.bfloat16)
    names = [finding.name for finding in examine({"image": Group(vectors=tensor)})]
    assert "float16-overflow" not in names
    assert unit_sample(tensor, np.array([1, 0])).shape == (2, 64)


def test_no_group_is_refused():
    with pytest.raises(ValueError, match="no group to examine"):
        examine({})
