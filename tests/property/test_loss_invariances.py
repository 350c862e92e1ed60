"""What each loss ignores, as one table. Every change that a row does not name must be noticed."""

import inspect
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from crossgap import losses, measure

# the changes
ROTATE = "one rotation of the whole space"
TURN = "a rotation of the texts alone"
OFFSET = "one number added to all cosines across, none within: a wider gap"
SWAP = "images and texts change places"
REORDER = "the same new order of all pairs"
MISPAIR = "a new order of the texts alone"
TWICE = "every pair twice: a larger batch of the same rows"
SHARPEN = "twice the logit scale"

CHANGES = [ROTATE, TURN, OFFSET, SWAP, REORDER, MISPAIR, TWICE, SHARPEN]
SYMMETRIC = {ROTATE, REORDER, SWAP}
OF_COSINES = SYMMETRIC | {SHARPEN}  # takes no scale
SHAPES = OF_COSINES | {TURN, OFFSET}  # looks at each modality by itself, then compares

#   loss                               the changes it ignores
ROWS = {
    # contrast across: blind to the gap
    losses.clip_loss: SYMMETRIC | {OFFSET},
    losses.infoloob_loss: SYMMETRIC | {OFFSET},
    losses.cloob_loss: SYMMETRIC | {OFFSET},  # no image meets a text
    losses.cyclip_loss: SYMMETRIC | {OFFSET},
    losses.decoupled_loss: SYMMETRIC | {OFFSET},
    losses.hard_negative_loss: SYMMETRIC | {OFFSET},
    losses.margin_loss: SYMMETRIC | {OFFSET},
    losses.focal_loss: SYMMETRIC | {OFFSET},
    losses.correct_only_loss: SYMMETRIC | {OFFSET},
    losses.extra_negatives_loss: {ROTATE, REORDER, OFFSET},  # the extra rows are texts
    # contrast that feels the gap
    losses.debiased_loss: SYMMETRIC,  # by its floor, the cosine -1
    losses.siglip_loss: SYMMETRIC,
    losses.nt_xent_loss: SYMMETRIC,
    losses.alignclip_loss: SYMMETRIC,
    losses.m2mix_loss: SYMMETRIC,  # SWAP at mixing 1/2
    losses.m3mix_loss: {ROTATE, SWAP},  # images mix with those of the reversed batch
    losses.image_mix_loss: {ROTATE},
    losses.text_mix_loss: {ROTATE},
    losses.both_mix_loss: {ROTATE, SWAP},
    losses.cua_loss: SYMMETRIC,
    losses.cuaxu_loss: SYMMETRIC,
    # terms
    losses.alignment_loss: OF_COSINES | {TWICE},
    losses.cross_uniformity_loss: OF_COSINES,
    losses.joint_uniformity_loss: OF_COSINES,
    losses.uniformity_loss: SHAPES | {MISPAIR},
    losses.singular_spread_loss: SHAPES | {MISPAIR},
    losses.in_modal_loss: SYMMETRIC | {TURN, OFFSET, MISPAIR},  # views go where their rows go
    losses.in_modal_consistency_loss: SHAPES,
    losses.similarity_structure_loss: SHAPES,
    losses.cross_modal_consistency_loss: OF_COSINES | {OFFSET},
    losses.direction_consistency_loss: OF_COSINES | {OFFSET},
    # of raw rows, which take no scale
    losses.random_reference_loss: {REORDER, SWAP, TWICE, SHARPEN},  # its targets are fixed in space
    losses.distillation_loss: OF_COSINES | {OFFSET},
    losses.clip_refine_loss: {REORDER, SWAP, SHARPEN},
}
NOT_IN_THE_TABLE: dict[str, str] = {}  # a public loss without a row, and why

MIXING = {"mixing": 0.5}  # fixed, since a draw would hide a change
OPTIONS = {
    losses.m2mix_loss: MIXING,
    losses.m3mix_loss: MIXING | {"cross_weight": 1.0, "image_weight": 1.0, "text_weight": 1.0, "both_weight": 1.0},
    losses.image_mix_loss: {"mixing": 0.3},
    losses.text_mix_loss: {"mixing": 0.3},
    losses.both_mix_loss: MIXING,
    losses.siglip_loss: {"logit_bias": -3.0},
    losses.debiased_loss: {"class_prior": 0.3},  # some rows at the floor, some above
}
RAW = {losses.clip_refine_loss, losses.distillation_loss, losses.random_reference_loss}
IMAGES, TEXTS = {"x", "x_views", "teacher_x"}, {"y", "y_views", "teacher_y"}
FURTHER_TEXTS, OF_PAIRS = {"extra_y"}, {"reference", "captions"}

N, D, SCALE = 12, 6, 7.0
SAME = 1e-9


def data(loss) -> dict[str, Tensor]:
    """All rows that the loss takes: D coordinates of contents, then two of where the modality lies."""
    generator = torch.Generator().manual_seed(5)

    def draw(n: int = N) -> Tensor:
        return torch.randn(n, D, generator=generator, dtype=torch.float64)

    def placed(contents: Tensor, turned: float) -> Tensor:
        place = torch.tensor([math.cos(turned), math.sin(turned)], dtype=torch.float64)
        return torch.cat([0.8 * normalize(contents, dim=1), 0.6 * place.expand(len(contents), 2)], dim=1)

    shared = draw()
    rows = {"x": placed(shared + 0.7 * draw(), 0.0), "y": placed(1.3 * shared[:, [1, 0, 2, 3, 4, 5]] + shared, 0.9)}
    others = {
        "x_views": placed(shared + 0.5 * draw(), 0.0),
        "y_views": placed(shared + 0.9 * draw(), 0.9),
        "teacher_x": placed(draw(), 0.2),
        "teacher_y": placed(draw(), 0.5),
        "reference": torch.cat([draw(), draw()[:, :2]], dim=1),
        "captions": draw(),
        "extra_y": placed(draw(4), 0.9),
    }
    asked = inspect.signature(loss).parameters
    rows |= {name: value for name, value in others.items() if name in asked}
    if loss in RAW:
        lengths = torch.ones(N, D + 2, dtype=torch.float64)
        lengths[:, :D] = torch.linspace(1.0, 2.0, N)[:, None]  # of the contents alone
        rows |= {name: lengths * rows[name] for name in ("x", "teacher_y") if name in rows}
    return rows


def rotation(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(D + 2, D + 2, generator=generator, dtype=torch.float64))[0]


def gap_opened(rows: Tensor) -> Tensor:
    """Turn the place of a modality, and none of its contents, further away from the other one."""
    angle = torch.tensor(1.1, dtype=torch.float64)
    turn = torch.eye(D + 2, dtype=torch.float64)
    turn[D:, D:] = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()]).reshape(2, 2)
    return rows @ turn


def changed(change: str, rows: dict[str, Tensor]) -> dict[str, Tensor]:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(6))
    moved, act = {
        ROTATE: (IMAGES | TEXTS | FURTHER_TEXTS, lambda given: given @ rotation(7)),
        TURN: (TEXTS | FURTHER_TEXTS, lambda given: given @ rotation(8)),
        OFFSET: (TEXTS | FURTHER_TEXTS, gap_opened),
        REORDER: (IMAGES | TEXTS | OF_PAIRS, lambda given: given[order]),
        MISPAIR: (TEXTS, lambda given: given[order]),
        TWICE: (IMAGES | TEXTS | OF_PAIRS, lambda given: torch.cat([given, given])),
        SWAP: (set(), None),
        SHARPEN: (set(), None),
    }[change]
    if change in (TURN, OFFSET):
        moved = moved - {"teacher_y"}  # a teacher is no part of the model that moves
    if change == SWAP:
        other = {"x": "y", "x_views": "y_views", "teacher_x": "teacher_y"}
        other |= {second: first for first, second in other.items()}
        return {other.get(name, name): given for name, given in rows.items()}
    return {name: act(given) if name in moved else given for name, given in rows.items()}


def value(loss, rows: dict[str, Tensor], scale: float = SCALE, **options) -> float:
    beside = {name: given for name, given in rows.items() if name not in ("x", "y")}
    return float(loss(rows["x"], rows["y"], scale, **beside, **options))


def _forms(loss) -> list[dict[str, bool]]:
    return [{"fused": False}, {"fused": True}] if "fused" in inspect.signature(loss).parameters else [{}]


CASES = [
    pytest.param(
        loss, change, form, id="-".join([loss.__name__, *["fused"] * form.get("fused", False), *change.split()[-2:]])
    )
    for loss in ROWS
    for form in _forms(loss)
    for change in CHANGES
]


@pytest.mark.parametrize(("loss", "change", "form"), CASES)
def test_ignores_what_the_table_says_and_notices_the_rest(loss, change, form):
    options = {**OPTIONS.get(loss, {}), **form}
    rows = data(loss)
    before = value(loss, rows, **options)
    after = value(loss, changed(change, rows), SCALE * (2 if change == SHARPEN else 1), **options)
    if change in ROWS[loss]:
        assert after == pytest.approx(before, rel=SAME, abs=SAME)
    else:
        assert abs(after - before) > 1e4 * SAME


def test_every_loss_is_in_the_table():
    public = {name for name in losses.__all__ if name.endswith("_loss")}
    tabled = {loss.__name__ for loss in ROWS}
    assert tabled <= public
    assert public - tabled == set(NOT_IN_THE_TABLE)


def test_the_conventions_say_which_losses_are_blind_to_the_gap():
    page = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"
    lines = re.findall(
        r"^\| `(\w+_loss)` \|((?:[^|\\]|\\.)*\|){2} (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {name: word == "blind" for name, _, word in lines} == {loss.__name__: OFFSET in ROWS[loss] for loss in ROWS}


def test_the_changes_do_what_they_say():
    rows = data(losses.clip_loss)
    wider = changed(OFFSET, rows)
    across = wider["x"] @ wider["y"].T - rows["x"] @ rows["y"].T
    torch.testing.assert_close(across, across.mean().expand_as(across))
    assert float(across.mean()) < -0.1
    assert measure.centroid_distance(wider["x"], wider["y"]) > measure.centroid_distance(rows["x"], rows["y"]) + 0.1
    torch.testing.assert_close(wider["y"] @ wider["y"].T, rows["y"] @ rows["y"].T)
    for change in CHANGES[:-1]:
        new = changed(change, rows)
        assert any(new[name].shape != rows[name].shape or not torch.equal(new[name], rows[name]) for name in rows)
