import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch

from crossgap.data.synthetic import two_cone_pairs
from crossgap.losses.clip import clip_loss
from crossgap.losses.cua import cuaxu_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.alarms import Alarm, CollapseAlarm
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gap_curves import GapCurve, gap_curve, held_out_curve
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower

CHANCE = math.log(64)


def record(step, loss, *, learning_rate=1e-3, **terms):
    return SimpleNamespace(step=step, loss=loss, terms=terms, learning_rate=learning_rate)


def feed(alarm, losses, *, start=0, **options):
    return [
        raised for number, loss in enumerate(losses) for raised in alarm.step(record(start + number, loss, **options))
    ]


def trained(*, d, objective, world=0, seed=0, learning_rate=3e-3, epochs=15):
    """Linear heads on the two-cone pairs, as the papers' toy has them, watched every 50 steps."""
    x, y = map(torch.as_tensor, two_cone_pairs(2100, seed=world))
    generator = torch.Generator().manual_seed(seed)
    towers = [linear_tower(128, d, generator=generator) for _ in range(2)]
    model = DualEncoder(*towers, LogitScale(100.0, learnable=False))
    run = TrainingRun(
        model,
        objective,
        PairedTensors(x[:2000], y[:2000]),
        optimiser=adamw(model, learning_rate=learning_rate, weight_decay=0.1),
        batch_size=64,
        epochs=epochs,
        seed=seed,
    )
    alarm = CollapseAlarm(chance_loss=CHANCE if objective is clip_loss else None)
    watch = held_out_curve(x[2000:2100], y[2000:2100], k=(10,))
    curve = {}
    for step in run:
        alarm.step(step)
        if step.step % 50 == 0:
            curve = watch(model)
            alarm.curve(step.step, curve)
    return alarm, curve


# real trainings


def test_a_healthy_run_raises_nothing():
    alarm, curve = trained(d=8, objective=clip_loss)  # it starts from opposite cones, and leaves them late
    assert alarm.raised == []
    assert curve["recall_at_10/x_to_y"] > 0.95


def test_an_antipodal_run_is_noticed_while_it_trains():
    alarm, curve = trained(d=8, objective=cuaxu_loss, seed=1, world=1)
    assert curve["centroid_distance"] > 1.9
    assert {raised.quantity for raised in alarm.raised} == {"cross_uniformity", "centroid_distance"}
    for raised in alarm.raised:
        assert raised.step == 300  # warm-up and patience, though the run has 480 steps
        assert "start again" in raised.remedy


def test_a_learning_rate_far_too_large_is_noticed():
    alarm, curve = trained(d=32, objective=clip_loss, learning_rate=3.0)
    assert curve["recall_at_10/x_to_y"] < 0.5
    by_name = {raised.quantity: raised for raised in alarm.raised}
    assert "learning rate" in by_name["loss"].remedy
    assert by_name["loss"].value > by_name["loss"].bound == pytest.approx(CHANCE - 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 8, 16, 64, 128])
@pytest.mark.parametrize("seed", range(4))
def test_no_false_alarm(d, seed):
    alarm, _ = trained(d=d, objective=clip_loss, seed=seed, world=seed)
    assert alarm.raised == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_false_alarm_at_a_large_dimension_with_all_terms(seed):
    alarm, curve = trained(d=128, objective=cuaxu_loss, seed=seed, world=seed)
    assert curve["centroid_distance"] < 0.2
    assert alarm.raised == []


# the loss


def test_a_loss_at_chance_is_noticed_after_warm_up_and_patience():
    alarm = CollapseAlarm(chance_loss=CHANCE, warm_up=200, patience=100)
    (raised,) = feed(alarm, [CHANCE] * 1000)
    assert raised == alarm.raised[0]
    assert raised.step == 299  # the hundredth step that counts
    assert raised.quantity == "loss"
    assert raised.value == pytest.approx(CHANCE)


def test_warm_up_and_patience_matter():
    for warm_up, patience, step in ((0, 100, 100), (50, 20, 69), (300, 100, 399)):
        alarm = CollapseAlarm(chance_loss=CHANCE, warm_up=warm_up, patience=patience)
        assert feed(alarm, [CHANCE] * 500)[0].step == step  # the very first step always rises from nothing


def test_a_run_that_starts_at_chance_and_learns_raises_nothing():
    alarm = CollapseAlarm(chance_loss=CHANCE)
    assert feed(alarm, [CHANCE] * 190 + [CHANCE * 0.99**step for step in range(500)]) == []


def test_a_slow_fall_from_far_above_chance_raises_nothing():
    alarm = CollapseAlarm(chance_loss=CHANCE)
    assert feed(alarm, [30 - 0.02 * step for step in range(1200)]) == []
    assert feed(CollapseAlarm(chance_loss=CHANCE), [30.0] * 400)  # but standing still does


def test_the_margin_matters():
    assert feed(CollapseAlarm(chance_loss=CHANCE), [CHANCE - 0.1] * 400) == []
    assert len(feed(CollapseAlarm(chance_loss=CHANCE, margin=0.2), [CHANCE - 0.1] * 400)) == 1


def test_a_learning_rate_that_still_rises_does_not_count():
    alarm = CollapseAlarm(chance_loss=CHANCE)
    for step in range(2000):
        assert alarm.step(record(step, CHANCE, learning_rate=step * 1e-6)) == ()
    assert feed(alarm, [CHANCE] * 150, start=2000, learning_rate=1e-3)[0].step == 2099


def test_a_collapse_late_in_a_run_is_noticed():
    alarm = CollapseAlarm(chance_loss=CHANCE)
    (raised,) = feed(alarm, [1.0] * 5000 + [CHANCE + 1] * 300)
    assert 5000 < raised.step < 5150


def test_the_term_is_what_is_compared():
    alarm = CollapseAlarm(chance_loss=CHANCE, term="clip_loss", warm_up=0)
    assert feed(alarm, [CHANCE] * 400, clip_loss=1.0, uniformity_loss=CHANCE - 1) == []
    alarm = CollapseAlarm(chance_loss=CHANCE, term="clip_loss", warm_up=0)
    (raised,) = feed(alarm, [0.0] * 400, clip_loss=CHANCE, uniformity_loss=-CHANCE)
    assert raised.quantity == "clip_loss"


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_noticed_at_once(loss):
    alarm = CollapseAlarm()
    (raised,) = alarm.step(record(3, loss))
    assert (raised.step, raised.value) == (3, None)
    assert str(raised) == (
        "step 3: loss is not a finite number; go back to the last checkpoint, lower the learning rate and clip the "
        "norm of the gradient."
    )


def test_without_a_chance_loss_only_finiteness_counts():
    assert feed(CollapseAlarm(), [CHANCE] * 1000) == []


# the curve


@pytest.mark.parametrize(
    ("values", "quantity"),
    [
        ({"cross_uniformity": -4.6}, "cross_uniformity"),
        ({"centroid_distance": 1.6}, "centroid_distance"),
        ({"effective_dimension/x": 1.0}, "effective_dimension/x"),
        ({"participation_ratio/y": 1.4}, "participation_ratio/y"),
    ],
)
def test_each_quantity_has_its_bound(values, quantity):
    alarm = CollapseAlarm(warm_up=0)
    assert alarm.curve(0, values) == alarm.curve(99, values) == ()
    (raised,) = alarm.curve(100, values)
    assert (raised.step, raised.quantity, raised.value) == (100, quantity, values[quantity])


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ({"least_cross_uniformity": -5.0}, {"cross_uniformity": -4.6}),
        ({"most_distance": 1.7}, {"centroid_distance": 1.6}),
        ({"least_dimension": 1.0}, {"effective_dimension/x": 1.0, "participation_ratio/x": 1.3}),
    ],
)
def test_each_bound_can_be_moved(option, values):
    alarm = CollapseAlarm(warm_up=0, **option)
    assert [alarm.curve(step, values) for step in (0, 100, 200)] == [()] * 3


def test_values_on_the_right_side_raise_nothing():
    healthy = {
        "cross_uniformity": -4.4, "centroid_distance": 1.4, "effective_dimension/x": 2.0, "uniformity/x": -9.0,
        "participation_ratio/x": 1.6, "recall_at_1/x_to_y": 0.0, "alignment": 4.0,
    }  # fmt: skip
    alarm = CollapseAlarm(warm_up=0)
    assert [alarm.curve(step, healthy) for step in (0, 100, 200)] == [()] * 3


def test_a_stay_that_is_broken_starts_anew():
    alarm, far, near = CollapseAlarm(warm_up=0), {"centroid_distance": 1.9}, {"centroid_distance": 0.3}
    for step, values in ((0, far), (60, near), (120, far), (180, far)):
        assert alarm.curve(step, values) == ()
    assert len(alarm.curve(220, far)) == 1


def test_the_sign_of_recovery_is_that_of_the_bound():
    alarm = CollapseAlarm(warm_up=0)
    said = [len(alarm.curve(100 * number, {"cross_uniformity": -5.0 - number})) for number in range(3)]
    assert said == [0, 1, 0]
    alarm = CollapseAlarm(warm_up=0)
    said = [len(alarm.curve(100 * number, {"cross_uniformity": value})) for number, value in enumerate((-7, -6, -5.2))]
    assert said == [0, 0, 0]


def test_a_quantity_on_its_way_back_raises_nothing():
    alarm = CollapseAlarm(warm_up=0)
    for number, distance in enumerate((1.9, 1.8, 1.71, 1.63, 1.56, 1.51)):  # each a fifth nearer to 1.5, and more
        assert alarm.curve(100 * number, {"centroid_distance": distance}) == ()
    alarm = CollapseAlarm(warm_up=0)
    said = [len(alarm.curve(100 * number, {"centroid_distance": 1.9 - 0.02 * number})) for number in range(5)]
    assert said == [0, 1, 0, 0, 0]  # too slowly


def test_rows_that_coincide_have_no_dimension_and_raise():
    curve = gap_curve(torch.ones(20, 4), torch.eye(20)[:, :4] + 1)
    alarm = CollapseAlarm(warm_up=0)
    alarm.curve(0, curve)
    raised = alarm.curve(100, curve)
    assert {one.quantity for one in raised} == {"effective_dimension/x", "participation_ratio/x"}
    assert {one.value for one in raised} == {None}
    assert "effective_dimension/x is without a value, past its bound of 1.5; go back" in " ".join(map(str, raised))


def test_other_values_that_are_missing_raise_nothing():
    alarm = CollapseAlarm(warm_up=0)
    curve = GapCurve({}, {"cross_uniformity": "no unmatched pair", "recall_at_1/x_to_y": "too few"})
    assert [alarm.curve(step, curve) for step in (0, 100)] == [()] * 2


def test_curves_do_not_count_while_the_learning_rate_rises():
    alarm = CollapseAlarm(warm_up=0)
    for step in range(0, 300, 50):
        alarm.step(record(step, 1.0, learning_rate=1e-5 * (step + 1)))
        assert alarm.curve(step, {"centroid_distance": 1.9}) == ()


# once until cleared


def test_it_says_a_thing_once_until_cleared():
    alarm, far = CollapseAlarm(warm_up=0), {"centroid_distance": 1.9, "cross_uniformity": -6.0}
    said = [len(alarm.curve(step, far)) for step in range(0, 500, 100)]
    assert said == [0, 2, 0, 0, 0]
    alarm.clear("centroid_distance")
    said = [[one.quantity for one in alarm.curve(step, far)] for step in (500, 600, 700)]
    assert said == [[], ["centroid_distance"], []]
    alarm.clear()
    assert [len(alarm.curve(step, far)) for step in (800, 900)] == [0, 2]
    assert len(alarm.raised) == 5


def test_the_loss_is_said_once_until_cleared():
    alarm = CollapseAlarm(chance_loss=CHANCE, warm_up=0)
    assert len(feed(alarm, [CHANCE] * 400)) == 1
    alarm.clear("loss")
    assert len(feed(alarm, [CHANCE] * 99, start=400)) == 0
    assert len(feed(alarm, [CHANCE] * 5, start=499)) == 1


def test_an_alarm_is_frozen():
    raised = Alarm(step=1, quantity="loss", value=4.2, bound=4.1, remedy="lower the learning rate")
    with pytest.raises(dataclasses.FrozenInstanceError):
        raised.step = 2
    assert str(raised) == "step 1: loss is 4.2, past its bound of 4.1; lower the learning rate."


def test_refusals():
    with pytest.raises(ValueError, match="warm_up must be at least 0 steps"):
        CollapseAlarm(warm_up=-1)
    with pytest.raises(ValueError, match="patience must be at least 2 steps"):
        CollapseAlarm(patience=1)
    for name in ("chance_loss", "margin", "least_dimension", "least_cross_uniformity", "most_distance"):
        with pytest.raises(ValueError, match=f"{name} must be a finite number"):
            CollapseAlarm(**{name: math.nan})
    with pytest.raises(ValueError, match=r"one of the objective's terms \('a'\), but it is 'clip_loss'"):
        CollapseAlarm(chance_loss=1.0, term="clip_loss").step(record(0, 1.0, a=1.0))
    with pytest.raises(ValueError, match="none at all"):
        CollapseAlarm(chance_loss=1.0, term="clip_loss").step(record(0, 1.0))
    with pytest.raises(ValueError, match=r"one that was raised \(none\), but it is 'loss'"):
        CollapseAlarm().clear("loss")
