"""The loop: what a step does, in which order, and what it leaves alone."""

import functools
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from crossgap.errors import DegenerateError
from crossgap.losses.alignment_uniformity import alignment_loss, uniformity_loss
from crossgap.losses.clip import clip_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.temperature import LogitScale, fixed_then_learned_scale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _data(n: int = 50, d: int = 8, **options) -> PairedTensors:
    shared = torch.randn(n, d, generator=_generator(1))
    noise = torch.randn(n, d, generator=_generator(2))
    return PairedTensors(shared, shared + 0.5 * noise, **options)


def _model(*, dropout: float = 0.0, learnable: bool = True, **options) -> DualEncoder:
    towers = [linear_tower(8, 6, generator=_generator(seed)) for seed in (3, 4)]
    if dropout:
        towers = [nn.Sequential(nn.Dropout(dropout), tower) for tower in towers]
    return DualEncoder(*towers, LogitScale(20.0, learnable=learnable), **options)


def _run(model=None, objective=clip_loss, pairs=None, *, lr: float = 1e-2, **options) -> TrainingRun:
    model = _model() if model is None else model
    options = {"batch_size": 16, "epochs": 3, **options}
    optimiser = options.pop("optimiser", None) or adamw(model, learning_rate=lr, weight_decay=0.1)
    if options.get("world_size", 1) > 1 and not isinstance(objective, nn.Module):
        objective = ContrastiveLoss({objective: 1.0})
    return TrainingRun(model, objective, pairs or _data(), optimiser=optimiser, **options)


def _weights(run: TrainingRun) -> torch.Tensor:
    return torch.cat([values.detach().reshape(-1).double() for values in run.model.parameters()])


class _Numbers:
    """Pairs whose inputs are their numbers; keeps what it was asked for."""

    def __init__(self, n: int) -> None:
        self.n, self.asked = n, []

    def __len__(self) -> int:
        return self.n

    def batch(self, index, epoch):
        self.asked.append((epoch, index.tolist()))
        rows = torch.nn.functional.one_hot(index, 8 * self.n)[:, : 8 * self.n : self.n].float() + 0.1
        return rows, rows.flip(1)


def _asked(n: int, **options) -> list[tuple[int, list[int]]]:
    pairs = _Numbers(n)
    for _ in _run(pairs=pairs, **options):
        pass
    return pairs.asked


# the step


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_run_is_the_plain_loop(clip):
    """The same bits as a loop written out over the same batches."""
    run = _run(schedule=cosine_schedule(3, 12), gradient_clip=clip)
    model, batches = _model(), []
    optimiser = adamw(model, learning_rate=1e-2, weight_decay=0.1)
    inner = run.pairs.batch
    run.pairs.batch = lambda index, epoch: batches.append(inner(index, epoch)) or batches[-1]
    for record in run:
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * cosine_schedule(3, 12)(record.step)
        optimiser.zero_grad()
        x, y, scale = model(*batches[-1])
        loss = clip_loss(x, y, scale)
        loss.backward()
        norm = math.sqrt(sum(float(values.grad.square().sum()) for values in model.parameters()))
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        model.logit_scale.clamp_()
        assert record.loss == loss.item()
        assert record.terms == {"clip_loss": loss.item()}
        assert record.logit_scale == scale.item()
        assert record.learning_rate == 1e-2 * cosine_schedule(3, 12)(record.step)
        assert record.gradient_norm == pytest.approx(norm, rel=1e-5)
    assert len(batches) == run.total_steps == 12
    for name, values in model.state_dict().items():
        assert torch.equal(values, run.model.state_dict()[name]), name


def test_records_count_steps_and_epochs_from_zero():
    run = _run()
    records = list(run)
    assert [record.step for record in records] == list(range(12))
    assert [record.epoch for record in records] == [0] * 4 + [1] * 4 + [2] * 4
    assert list(run) == []
    with pytest.raises(AttributeError):
        records[0].loss = 0.0


def test_a_loop_that_is_left_goes_on_where_it_was():
    whole, parted = _run(), _run()
    list(whole)
    for record in parted:
        if record.step == 4:
            break
    assert parted.step == 5
    assert [record.step for record in parted] == list(range(5, 12))
    assert torch.equal(_weights(whole), _weights(parted))


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    first, again, other = (_run(_model(dropout=0.2), seed=seed) for seed in (5, 5, 6))
    for run in (first, again, other):
        list(run)
    assert torch.equal(_weights(first), _weights(again))
    assert not torch.equal(_weights(first), _weights(other))


# the order


def test_every_epoch_sees_each_pair_once_in_another_order():
    asked = _asked(50)
    assert [len(index) for _, index in asked] == [16, 16, 16, 2] * 3
    orders = [[i for epoch, index in asked if epoch == e for i in index] for e in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_is_a_function_of_seed_and_epoch():
    assert _asked(40) == _asked(40, lr=1.0, objective=alignment_loss, model=_model(dropout=0.5))
    assert _asked(40) != _asked(40, seed=1)
    assert _asked(40, epochs=2) == _asked(40, epochs=5)[: 2 * 3]


@pytest.mark.parametrize(
    ("n", "size", "drop_last", "steps"),
    [(118_287, 64, False, 1849), (118_287, 64, True, 1848), (33, 16, False, 2), (34, 16, False, 3), (10, 16, False, 1)],
)
def test_steps_of_an_epoch(n, size, drop_last, steps):
    run = _run(pairs=_Numbers(n), batch_size=size, drop_last=drop_last, epochs=9)
    assert run.steps_per_epoch == steps
    assert run.total_steps == 9 * steps


def test_a_lone_last_pair_is_left_out():
    assert [len(index) for _, index in _asked(33, epochs=1)] == [16, 16]


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_each_batch(world_size):
    whole = _asked(50, drop_last=True)
    parts = [_asked(50, drop_last=True, rank=rank, world_size=world_size) for rank in range(world_size)]
    for step, (epoch, index) in enumerate(whole):
        assert [i for part in parts for i in part[step][1]] == index
        assert {part[step][0] for part in parts} == {epoch}
        assert {len(part[step][1]) for part in parts} == {16 // world_size}


def test_the_mean_gradient_of_two_processes_is_that_of_one():
    """A mean over rows: one step of plain descent from the averaged gradient is the step on the whole batch."""
    moved = []
    for rank, world_size in [(0, 1), (0, 2), (1, 2)]:
        model = _model()
        run = _run(
            model,
            alignment_loss,
            optimiser=torch.optim.SGD(model.parameters(), lr=0.1),
            drop_last=True,
            rank=rank,
            world_size=world_size,
        )
        before = _weights(run)
        next(iter(run))
        moved.append(_weights(run) - before)
    torch.testing.assert_close((moved[1] + moved[2]) / 2, moved[0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("objective", [clip_loss, functools.partial(clip_loss, x_to_y_weight=1.0)])
def test_several_processes_need_an_objective_that_gathers(objective):
    model = _model()
    optimiser = adamw(model, learning_rate=1e-2, weight_decay=0.1)
    options = {"optimiser": optimiser, "batch_size": 16, "epochs": 1, "drop_last": True, "world_size": 2}
    with pytest.raises(
        TypeError,
        match=r"objective must be a module that gathers the rows of 2 processes, but clip_loss is a function that sees "
        r"those of one; give ContrastiveLoss\(\{clip_loss: 1.0\}\)",
    ):
        TrainingRun(model, objective, _data(), **options)
    alone = ContrastiveLoss({objective: 1.0}, gather="none")
    assert next(iter(TrainingRun(model, alone, _data(), **options))).step == 0


def test_a_scale_of_one_number_may_have_a_dimension():
    class Flat(DualEncoder):
        def forward(self, x_inputs, y_inputs):
            x, y, scale = super().forward(x_inputs, y_inputs)
            return x, y, scale.reshape(1)

    towers = [linear_tower(8, 6, generator=_generator(seed)) for seed in (3, 4)]
    assert list(_run(Flat(*towers, LogitScale(20.0)))) == list(_run())


def test_only_process_0_writes(tmp_path):
    for rank in (1, 0):
        run = _run(drop_last=True, rank=rank, world_size=2)
        assert list(tmp_path.iterdir()) == []
        run.save(tmp_path / "run.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]


# random numbers


def test_the_callers_generator_is_left_alone():
    state = torch.get_rng_state()
    list(_run(_model(dropout=0.5)))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_callers_generator_has_no_say():
    weights = []
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            run = _run(_model(dropout=0.5))
            for _ in run:
                torch.rand(3)
            weights.append(_weights(run))
    assert torch.equal(*weights)


def test_each_step_and_process_draws_its_own_numbers():
    drawn = []

    class Drawing(_Numbers):
        def batch(self, index, epoch):
            drawn.append(torch.rand(()).item())
            return super().batch(index, epoch)

    for rank in (0, 1):
        list(_run(pairs=Drawing(32), rank=rank, world_size=2))
    assert len(drawn) == len(set(drawn)) == 12


def test_dropout_is_on_unless_told_otherwise():
    plain, off, on = _run(), _run(_model(dropout=0.5), eval_mode=True), _run(_model(dropout=0.5))
    for run in (plain, off, on):
        list(run)
    assert torch.equal(_weights(plain), _weights(off))
    assert not torch.equal(_weights(plain), _weights(on))
    assert on.model.training
    assert not off.model.training


def test_a_caller_may_evaluate_between_steps():
    first, second = _run(_model(dropout=0.5)), _run(_model(dropout=0.5))
    list(first)
    for _ in second:
        second.model.eval()
        with torch.no_grad():
            second.model(second.pairs.x, second.pairs.y)
    assert torch.equal(_weights(first), _weights(second))


# the objective


def test_terms_are_weighted_and_add_up():
    run = _run(objective=ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 0.5}))
    for record in run:
        assert set(record.terms) == {"clip_loss", "uniformity_loss"}
        assert record.loss == pytest.approx(sum(record.terms.values()), abs=1e-12)
        assert record.terms["uniformity_loss"] < 0


def test_an_objective_gets_what_it_asks_for():
    given = []

    def objective(x, y, logit_scale, *, items, generator, step, epoch, check=True):
        given.append(SimpleNamespace(items=items, step=step, epoch=epoch, check=check))
        given[-1].drawn = torch.rand((), generator=generator).item()
        return clip_loss(x, y, logit_scale, items=items, check=check)

    pairs = _data(items=torch.arange(50) // 2)
    run = _run(objective=objective, pairs=pairs, drop_last=True)
    indices, inner = [], pairs.batch
    pairs.batch = lambda index, epoch: indices.append(index) or inner(index, epoch)
    list(run)
    assert [(seen.step, seen.epoch) for seen in given] == [(k, k // 3) for k in range(9)]
    assert [seen.check for seen in given] == [True] + [False] * 8
    assert all(torch.equal(seen.items, pairs.items[index]) for seen, index in zip(given, indices, strict=True))
    assert len({seen.drawn for seen in given}) == 9
    again = given.copy()
    given.clear()
    list(_run(objective=objective, pairs=pairs, drop_last=True, rank=1, world_size=2))
    assert [seen.drawn for seen in given] == [seen.drawn for seen in again], "the same on every process"


def test_what_a_partial_has_bound_is_kept():
    seen = []

    def objective(x, y, logit_scale, *, check=True, step=None):
        seen.append((check, step))
        return clip_loss(x, y, logit_scale, check=check)

    records = list(_run(objective=functools.partial(objective, check=True, step=-1), epochs=1))
    assert seen == [(True, -1)] * 4
    assert set(records[0].terms) == {"objective"}


def test_a_module_says_what_it_takes():
    class Objective(nn.Module):
        def takes(self, name):
            return name == "step"

        def forward(self, x, y, logit_scale, **batch):
            seen.append(set(batch))
            return clip_loss(x, y, logit_scale)

    seen = []
    list(_run(objective=Objective(), epochs=1))
    assert seen == [{"step"}] * 4


def test_siglip_learns_its_bias():
    run = _run(_model(logit_bias=-10.0), siglip_loss, lr=0.1)
    losses = [record.loss for record in run]
    assert run.model.logit_bias.item() != -10.0
    assert losses[-1] < losses[0]


# the logit scale


def test_the_scale_is_clamped_after_each_step():
    run = _run(lr=3.0)
    for _ in run:
        assert 1.0 - 1e-6 <= run.model.logit_scale().item() <= 100.0 + 1e-3
    assert _run(lr=3.0, objective=alignment_loss).model.logit_scale().item() == pytest.approx(20.0)


def test_the_scale_follows_its_schedule():
    run = _run(scale_schedule=fixed_then_learned_scale(50.0, steps=5), lr=0.05)
    scales = [record.logit_scale for record in run]
    assert scales[:6] == pytest.approx([50.0] * 6, rel=1e-6)
    assert len(set(scales[5:])) == 7
    state = run.optimiser.state[run.model.logit_scale.log]
    assert float(state["step"]) == 7, "the fixed steps left no trace in the optimiser"


def test_a_fixed_scale_is_not_part_of_the_gradient():
    fixed, frozen = _run(scale_schedule=lambda step: 20.0), _run(_model(learnable=False))
    for one, other in zip(fixed, frozen, strict=True):
        assert one == other
    assert torch.equal(_weights(fixed), _weights(frozen))


# precision, chunks, limits


def _small(x, y, logit_scale):
    """A loss whose gradient stays within float16 when it is scaled by 65,536."""
    return 0.01 * clip_loss(x, y, logit_scale)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_mixed_precision(precision, dtype):
    model, seen = _model(), []
    model.x_tower.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))

    def objective(x, y, logit_scale):
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return _small(x, y, logit_scale)

    records = list(_run(model, objective, precision=precision))
    assert set(seen) == {dtype, (torch.float32, False)}
    exact = list(_run(objective=_small))
    assert [record.loss for record in records] != [record.loss for record in exact]
    for one, other in zip(records, exact, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.02)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=0.05)
    assert {values.dtype for values in model.parameters()} == {torch.float32}


def test_inputs_take_the_type_of_the_model():
    pairs = _data()
    exact = list(_run())
    wide = list(_run(pairs=PairedTensors(pairs.x.double(), pairs.y.double())))
    assert [record.loss for record in wide] == [record.loss for record in exact]
    list(_run(_model().double(), pairs=PairedTensors(pairs.x.half(), pairs.y)))


def test_inputs_may_be_nested():
    class Nested(_Numbers):
        def batch(self, index, epoch):
            x, y = super().batch(index, epoch)
            return {"a": x.double(), "kind": "even"}, [y, (index,)]

    class Tower(nn.Module):
        def __init__(self, tower):
            super().__init__()
            self.tower = tower

        def forward(self, inputs):
            rows = inputs["a"] if isinstance(inputs, dict) else inputs[0]
            if isinstance(inputs, list):
                assert inputs[1][0].dtype == torch.int64
            return self.tower(rows)

    model = _model()
    model.x_tower, model.y_tower = Tower(model.x_tower), Tower(model.y_tower)
    assert list(_run(model, pairs=Nested(32))) == list(_run(pairs=_Numbers(32)))


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("fp16", 5e-3)])  # a step of float16: 1e-3
@pytest.mark.parametrize("chunk", [5, 16])
def test_chunks_give_the_gradient_of_the_whole_batch(chunk, precision, tolerance):
    objective = ContrastiveLoss({clip_loss: 0.01, uniformity_loss: 0.005})
    chunked, whole = (_run(objective=objective, precision=precision, chunk_size=size) for size in (chunk, None))
    for one, other in zip(chunked, whole, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=tolerance)
        assert set(one.terms) == set(other.terms)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=tolerance)
        assert one.logit_scale == pytest.approx(other.logit_scale, rel=tolerance)


def test_clipping_shortens_the_gradient():
    free, short = (
        _run(model, optimiser=torch.optim.SGD(model.parameters(), lr=1.0), gradient_clip=clip, epochs=1)
        for model, clip in ((_model(learnable=False), None), (_model(learnable=False), 1e-3))
    )
    start = _weights(free)
    records = [next(iter(run)) for run in (free, short)]
    assert records[0].gradient_norm == records[1].gradient_norm > 1e-3
    assert (_weights(short) - start).norm() == pytest.approx(1e-3, rel=1e-3)
    assert (_weights(free) - start).norm() == pytest.approx(records[0].gradient_norm, rel=1e-4)


# one process of a distributed run; several are tested in test_distributed


@pytest.fixture
def one_process(tmp_path):
    """A process group of this process alone."""
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_distributed_model_takes_the_same_steps(one_process, tmp_path, chunk):
    plain, wrapped = _model(dropout=0.2), _model(dropout=0.2)
    options = {"scale_schedule": fixed_then_learned_scale(50.0, steps=5), "chunk_size": chunk}
    run, distributed = _run(plain, **options), _run(nn.parallel.DistributedDataParallel(wrapped), **options)
    assert (distributed.rank, distributed.world_size) == (0, 1)
    assert list(run) == list(distributed)
    assert torch.equal(_weights(run), _weights(distributed))
    run.save(tmp_path / "a")
    distributed.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    _run(_model(dropout=0.2), **options).restore(tmp_path / "b")


# what is not finite


def _collect(run: TrainingRun, seen: list) -> None:
    for _ in run:
        seen.append(_weights(run))


class _Spoiled(torch.autograd.Function):
    """The identity, with a gradient of infinity."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run(value):
    def objective(x, y, logit_scale, *, step):
        return clip_loss(x, y, logit_scale) * (value if step == 3 else 1.0)

    run, seen = _run(objective=objective), []
    message = (
        rf"^the loss is not finite at step 3 \(objective is {value}\), so the run stopped before the weights were "
        r"changed; lower the learning rate, set gradient_clip, or look for bad rows with crossgap doctor\.$"
    )
    with pytest.raises(DegenerateError, match=message):
        _collect(run, seen)
    assert len(seen) == run.step == 3
    assert torch.equal(_weights(run), seen[-1])


def test_a_gradient_that_is_not_finite_stops_the_run():
    def objective(x, y, logit_scale, *, step):
        loss = clip_loss(x, y, logit_scale)
        return _Spoiled.apply(loss) if step == 2 else loss

    run, seen = _run(objective=objective), []
    with pytest.raises(DegenerateError, match="the gradient is not finite at step 2, although the loss is, so the run"):
        _collect(run, seen)
    assert torch.equal(_weights(run), seen[-1])


def test_an_overflow_of_float16_leaves_one_step_out():
    def objective(x, y, logit_scale, *, step):
        loss = _small(x, y, logit_scale)
        return _Spoiled.apply(loss) if step == 2 else loss

    run = _run(objective=objective, precision="fp16")
    seen, scales = [], []
    for record in run:
        assert (record.gradient_norm is None) == (record.step == 2)
        seen.append(_weights(run))
        scales.append(run.scaler.get_scale())
    assert torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[2], seen[3])
    assert scales[2] == scales[1] / 2


def test_float16_that_overflows_always_stops_in_the_end():
    run = _run(objective=lambda x, y, s: _Spoiled.apply(clip_loss(x, y, s)), precision="fp16", epochs=10)
    with pytest.raises(DegenerateError, match="the gradient is not finite at step 16"):
        list(run)


def test_rows_that_are_not_finite_are_refused_in_the_first_step():
    pairs = _data()
    pairs.x[:, 0] = math.nan
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        list(_run(pairs=pairs))


# refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, but it is 1"),
        ({"batch_size": 2.0}, "batch_size must be a whole number of at least 2, but it is 2.0"),
        ({"epochs": -1}, "epochs must be a whole number of at least 0, but it is -1"),
        ({"seed": -1}, "seed must be a whole number of at least 0, but it is -1"),
        ({"seed": True}, "seed must be a whole number of at least 0, but it is True"),
        ({"chunk_size": 0}, "chunk_size must be a whole number of at least 1, but it is 0"),
        ({"precision": "bfloat16"}, "precision must be 'float32', 'bf16' or 'fp16', but it is 'bfloat16'"),
        ({"gradient_clip": 0.0}, "gradient_clip must be above 0, but it is 0.0; None sets no limit"),
        ({"gradient_clip": math.nan}, "gradient_clip must be above 0, but it is nan"),
        ({"rank": 2, "world_size": 2}, "rank must be from 0 to world_size - 1, but it is 2 of 2"),
        ({"world_size": 3}, "a batch of 16 pairs must be shared equally by 3 processes"),
        ({"world_size": 4}, "a batch of 2 pairs must be shared equally by 4 processes; .* drop_last=True"),
        (
            {"batch_size": 64, "drop_last": True},
            "pairs must fill at least one batch, but there are 50 pairs for batches of 64",
        ),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        _run(**options)


def test_one_pair_is_no_batch():
    with pytest.raises(DegenerateError, match="pairs must fill at least one batch, but there are 1 pairs"):
        _run(pairs=_data(1))


def test_a_scale_schedule_needs_a_scale_to_set():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.tower = nn.Linear(8, 4)

    with pytest.raises(
        TypeError, match="logit_scale of the model must be a LogitScale for scale_schedule, but it is a NoneType"
    ):
        _run(Other(), scale_schedule=lambda step: 10.0)


def test_no_epochs_are_no_steps():
    assert list(_run(epochs=0)) == []
