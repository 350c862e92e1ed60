import numpy as np
import pytest
import torch

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce import twins
from crossgap.reproduce.twins import (
    TurnedTower,
    TwinSettings,
    align_twins,
    draw_twins,
    encode_both,
    share_at_rest,
    starts_together,
    train_twins,
)
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.towers import linear_tower

TINY = TwinSettings(points=64, hidden=16, layers=2, dimension=16, batch_size=32, epochs=4)


def _start_gap(seed=0, **options):
    drawn = draw_twins(
        TwinSettings(**{"points": 256, "hidden": 64, "layers": 3, "dimension": 64, **options}), seed=seed
    )
    return float(measure.centroid_distance(*encode_both(drawn.model, drawn.inputs)))


def test_both_encoders_see_the_points_with_weights_of_their_own():
    drawn = draw_twins(TwinSettings(points=2000, hidden=16, layers=2, dimension=8, gap_at_init=None), seed=3)
    assert drawn.inputs.shape == (2000, 64)
    assert float(drawn.inputs.mean()) == pytest.approx(2, abs=0.02)
    assert float(drawn.inputs.std()) == pytest.approx(1, abs=0.02)
    x, y = encode_both(drawn.model, drawn.inputs)
    assert not torch.allclose(x, y)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(2000))


def test_a_share_of_the_gap_is_left_at_the_start():
    gaps = [_start_gap(gap_at_init=share) for share in (0.0, 0.25, 0.5, 1.0, None)]
    assert gaps[0] < 0.05
    assert gaps[0] < gaps[1] < gaps[2] < gaps[3]
    assert gaps[3] == pytest.approx(gaps[4], abs=0.1)
    assert gaps[4] > 0.9


def test_the_second_encoder_is_turned_onto_the_first_as_closely_as_can_be(rng):
    towers = [linear_tower(6, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    model = DualEncoder(*towers, LogitScale(10.0))
    inputs = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    x, before = encode_both(model, inputs)
    align_twins(model, inputs, gap_at_init=0.0)
    same_x, after = encode_both(model, inputs)
    assert torch.equal(x, same_x)
    torch.testing.assert_close(after @ after.T, before @ before.T)  # a turn keeps all angles
    left, _, right = torch.linalg.svd(x.double().T @ before.double())
    torch.testing.assert_close(after.double(), before.double() @ (left @ right).T, atol=1e-5, rtol=0)


def test_the_turn_is_saved_and_not_trained():
    tower = TurnedTower(linear_tower(3, 3, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[1, 2, 0]])
    assert [name for name, _ in tower.named_parameters()] == ["tower.weight"]
    assert set(tower.state_dict()) == {"tower.weight", "matrix"}
    rows = tower(torch.eye(3))
    plain = torch.nn.functional.normalize(tower.tower(torch.eye(3)), dim=1)
    torch.testing.assert_close(rows, plain[:, [1, 2, 0]])


def test_a_separable_start_is_drawn_again(monkeypatch):
    settings = TwinSettings(points=256, hidden=64, dimension=64)
    answers = iter([False, False, True])
    monkeypatch.setattr(twins, "starts_together", lambda *_: next(answers))
    drawn = draw_twins(settings, seed=5)
    assert drawn.redraws == 2
    monkeypatch.setattr(twins, "starts_together", lambda *_: True)
    torch.testing.assert_close(drawn.inputs, draw_twins(settings, seed=2005).inputs)
    monkeypatch.setattr(twins, "starts_together", lambda *_: False)
    with pytest.raises(DegenerateError, match=r"must start inseparable .* but 50 draws from seed 5 did not"):
        draw_twins(TwinSettings(points=16, hidden=4, layers=1, dimension=4), seed=5)


def test_starting_together_means_that_no_plane_tells_them_apart():
    drawn = draw_twins(TwinSettings(points=256, hidden=64, dimension=64), seed=0)
    assert starts_together(drawn.model, drawn.inputs)
    apart = draw_twins(TwinSettings(points=256, hidden=64, dimension=64, gap_at_init=None), seed=0)
    assert not starts_together(apart.model, apart.inputs)


def test_training_is_a_function_of_settings_and_seed():
    first, again, other = (train_twins(TINY, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    state = torch.get_rng_state()
    train_twins(TINY, seed=0)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "change",
    [
        {"points": 96},
        {"hidden": 24},
        {"layers": 3},
        {"dimension": 8},
        {"batch_size": 16},
        {"epochs": 6},
        {"temperature": 0.02},
        {"beta2": 0.9},
        {"gap_at_init": 0.5},
        {"gap_at_init": None},
    ],
    ids=str,
)
def test_every_setting_matters(change):
    from dataclasses import replace

    names = ("centroid_distance", "loss")
    plain, changed = train_twins(TINY, seed=0), train_twins(replace(TINY, **change), seed=0)
    assert [plain[name] for name in names] != [changed[name] for name in names]


def test_what_is_watched_is_what_is_measured():
    seen = {}
    found = train_twins(TINY, seed=0, watch=lambda epoch, x, y: seen.update({epoch: (x, y)}))
    assert list(seen) == [0, 1, 2, 3, 4]
    assert found["centroid_distance/start"] == float(measure.centroid_distance(*seen[0]))
    assert found["centroid_distance"] == float(measure.centroid_distance(*seen[4]))
    assert found["matched_cosine"] == float(measure.matched_cosine(*seen[4]))
    assert found["redraws"] == int(found["redraws"])


def test_losses_are_those_of_the_first_batch_and_of_the_last_epoch():
    found = train_twins(TwinSettings(points=64, hidden=16, layers=2, dimension=16, batch_size=64, epochs=1), seed=0)
    assert found["loss/start"] == found["loss"]
    longer = train_twins(TwinSettings(points=64, hidden=16, layers=2, dimension=16, batch_size=64, epochs=20), seed=0)
    assert longer["loss/start"] == found["loss"]
    assert longer["loss"] < found["loss"]


def test_rest_is_counted_within_batches_and_in_both_directions(rng):
    x, y = (torch.from_numpy(rows) for rows in rng.normal(size=(2, 10, 3)))
    y = x + 0.2 * y
    one = share_at_rest(x, y, temperature=0.1, batch_size=10)
    both = (measure.stable_region(x, y, temperature=0.1) + measure.stable_region(y, x, temperature=0.1)) / 2
    assert one == pytest.approx(float(both))
    parts = [share_at_rest(x[part], y[part], temperature=0.1, batch_size=9) for part in (slice(0, 4), slice(4, 8))]
    last = share_at_rest(x[8:], y[8:], temperature=0.1, batch_size=2)
    assert share_at_rest(x, y, temperature=0.1, batch_size=4) == pytest.approx((4 * sum(parts) + 2 * last) / 10)
    assert share_at_rest(x[:9], y[:9], temperature=0.1, batch_size=4) == pytest.approx(np.mean(parts))


def test_encoding_in_parts_gives_the_same():
    drawn = draw_twins(TINY, seed=0)
    whole, parts = (encode_both(drawn.model, drawn.inputs, batch_size=size) for size in (64, 7))
    torch.testing.assert_close(whole, parts)
    other = encode_both(drawn.model, drawn.inputs, drawn.inputs.flip(0))
    torch.testing.assert_close(other[0], whole[0])
    torch.testing.assert_close(other[1], whole[1].flip(0))


def test_a_share_outside_of_0_to_1_is_refused():
    for share in (-1, 1.5):
        with pytest.raises(ValueError, match="gap_at_init must be from 0 to 1, or None for no rotation"):
            draw_twins(TwinSettings(points=16, hidden=4, layers=1, dimension=4, gap_at_init=share), seed=0)
