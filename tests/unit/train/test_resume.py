"""A run that was saved goes on bit for bit, or is refused in one sentence and left as it was."""

import functools

import pytest
import safetensors
import torch
from torch import nn

from crossgap.errors import FormatError
from crossgap.losses.clip import clip_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.temperature import LogitScale, constant_scale, linear_scale
from crossgap.train.checkpoint import load_model, model_state, save_model
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw, constant_schedule, cosine_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.tensor_file import read_tensors, write_tensors
from crossgap.train.towers import linear_tower

FILE = "run.safetensors"


def _model(d: int = 6, *, seed: int = 3, bias: float | None = None) -> DualEncoder:
    generator = torch.Generator().manual_seed(seed)
    towers = [
        nn.Sequential(nn.Dropout(0.2), linear_tower(8, d, generator=generator), nn.BatchNorm1d(d)) for _ in range(2)
    ]
    return DualEncoder(*towers, LogitScale(20.0), logit_bias=bias)


def _pairs(n: int = 50, *, seed: int = 1) -> PairedTensors:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=generator)
    return PairedTensors(x, x[:, None] + 0.3 * torch.randn(n, 3, 8, generator=generator), several_y=True)


def _run(
    model=None, objective=clip_loss, pairs=None, *, lr=1e-2, decay=0.1, betas=(0.9, 0.99), **options
) -> TrainingRun:
    model = model or _model()
    optimiser = options.pop("optimiser", None) or adamw(model, learning_rate=lr, weight_decay=decay, betas=betas)
    options = {"batch_size": 16, "epochs": 3, "schedule": cosine_schedule(3, 12), **options}
    return TrainingRun(model, objective, pairs or _pairs(), optimiser=optimiser, **options)


def _noisy_loss(x, y, logit_scale, *, generator):
    return clip_loss(x, y, logit_scale) + (x * torch.randn(x.shape, generator=generator)).sum()


def _equal(one: TrainingRun, other: TrainingRun) -> bool:
    left, right = model_state(one.model), model_state(other.model)
    return all(torch.equal(left[name], right[name]) for name in left)


class _LearnedWeight(nn.Module):
    """An objective with a state of its own."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x, y, logit_scale):
        loss = clip_loss(x, y, logit_scale)
        self.mean.mul_(0.9).add_(0.1 * loss.detach())
        return loss * (1 + self.mean)


CASES = {
    "clip": lambda: _run(),
    "terms": lambda: _run(
        objective=ContrastiveLoss({clip_loss: 1.0, functools.partial(clip_loss, x_to_y_weight=1.0): 0.5})
    ),
    "bias": lambda: _run(_model(bias=-10.0), siglip_loss),
    "random loss": lambda: _run(objective=_noisy_loss),
    "objective with a state": lambda: _run(objective=_LearnedWeight()),
    "bf16": lambda: _run(precision="bf16"),
    "fp16": lambda: _run(precision="fp16"),
    "clipped": lambda: _run(gradient_clip=0.1, drop_last=True),
    "chunks": lambda: _run(chunk_size=5, eval_mode=True),
    "scale schedule": lambda: _run(scale_schedule=linear_scale(10.0, 30.0, steps=12)),
}


def _momentum() -> TrainingRun:
    model = _model()
    return _run(model, optimiser=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


CASES["sgd"] = _momentum


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
@pytest.mark.parametrize("stop", [0, 3, 7], ids=lambda step: f"saved at step {step}")
def test_a_restored_run_ends_in_the_same_bits(tmp_path, make, stop):
    whole, parted = make(), make()
    records = list(whole)
    seen = []
    if stop:
        for record in parted:
            seen.append(record)
            if parted.step == stop:
                break
    parted.save(tmp_path / FILE)
    resumed = make()
    with torch.no_grad():
        for values in resumed.model.parameters():
            values.add_(1.0)  # whatever it began with
    resumed.restore(tmp_path / FILE)
    assert resumed.step == stop
    assert seen + list(resumed) == records
    assert _equal(whole, resumed)
    whole.save(tmp_path / "a.safetensors")
    resumed.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_a_run_on_a_gpu_goes_on_where_it_was(tmp_path, precision):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    def make():
        return _run(_model().cuda(), precision=precision)

    state = torch.cuda.get_rng_state()
    whole, parted, resumed = make(), make(), make()
    records = list(whole)
    seen = [next(iter(parted)) for _ in range(5)]
    parted.save(tmp_path / FILE)
    resumed.restore(tmp_path / FILE)
    assert seen + list(resumed) == records
    assert _equal(whole, resumed)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    load_model(_model(), tmp_path / FILE)


def test_restoring_twice_is_restoring_once(tmp_path):
    run = _run()
    steps = iter(run)
    for _ in range(5):
        next(steps)
    run.save(tmp_path / FILE)
    ends = []
    for _ in range(2):
        run.restore(tmp_path / FILE)
        list(run)
        ends.append(torch.cat([values.detach().clone().reshape(-1) for values in run.model.parameters()]))
    assert torch.equal(*ends)


def test_saving_changes_nothing(tmp_path):
    plain, saving = _run(), _run()
    list(plain)
    for _ in saving:
        saving.save(tmp_path / FILE)
    assert _equal(plain, saving)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        run = _run()
        list(run)
        run.save(tmp_path / name, notes={"z": 1, "a": 2} if name == "a" else {"a": 2, "z": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_notes_come_back(tmp_path):
    _run().save(tmp_path / FILE, notes={"alarms": {"steps": 17}})
    assert _run().restore(tmp_path / FILE) == {"alarms": {"steps": 17}}
    _run().save(tmp_path / FILE)
    assert _run().restore(tmp_path / FILE) == {}


def test_weights_of_a_run_can_be_read_alone(tmp_path):
    run = _run()
    list(run)
    run.save(tmp_path / FILE, notes={"a": 1})
    model = _model(seed=9)
    assert load_model(model, tmp_path / FILE) == {"a": 1}
    assert all(torch.equal(values, model_state(run.model)[name]) for name, values in model_state(model).items())
    with pytest.raises(ValueError, match=r"holds another model: its 'x_tower.1.weight' has shape \(6, 8\), here it is"):
        load_model(_model(5), tmp_path / FILE)


def test_a_run_can_be_prolonged(tmp_path):
    short, long = _run(epochs=1, schedule=None), _run(epochs=3, schedule=None)
    list(short)
    short.save(tmp_path / FILE)
    prolonged = _run(epochs=3, schedule=None)
    prolonged.restore(tmp_path / FILE)
    assert prolonged.step == 4
    list(prolonged)
    list(long)
    assert _equal(prolonged, long)


def test_nothing_in_the_file_is_a_pickle(tmp_path):
    run = _run()
    list(run)
    run.save(tmp_path / FILE)
    with safetensors.safe_open(tmp_path / FILE, "pt") as file:
        assert list(file.metadata()) == ["crossgap"]
        names = list(file.keys())
    assert {name.split(".")[0] for name in names} == {"model", "optimiser"}
    assert {name.split(".")[2] for name in names if name.startswith("optimiser")} == {"step", "exp_avg", "exp_avg_sq"}


# refusals


def _momentum_of(value: float) -> TrainingRun:
    model = _model()
    return _run(model, optimiser=torch.optim.SGD(model.parameters(), lr=1e-2, momentum=value))


def _one_group(model: nn.Module) -> torch.optim.Optimizer:
    return adamw(model, learning_rate=1e-2, weight_decay=0.1, decay_all=True)


OTHERS = {
    "batch_size 16, but this run has 8;": lambda: _run(batch_size=8),
    "seed 0, but this run has 1;": lambda: _run(seed=1),
    "drop_last False, but this run has True;": lambda: _run(drop_last=True),
    "precision 'float32', but this run has 'bf16';": lambda: _run(precision="bf16"),
    "gradient_clip None, but this run has 1.0;": lambda: _run(gradient_clip=1.0),
    "chunk_size None, but this run has 4;": lambda: _run(chunk_size=4),
    "eval_mode False, but this run has True;": lambda: _run(eval_mode=True),
    r"fingerprint of the pairs \d+, but this run has \d+;": lambda: _run(pairs=_pairs(seed=2)),
    "objective 'clip_loss', but this run has 'siglip_loss';": lambda: _run(objective=siglip_loss),
    r"objective 'clip_loss', but this run has 'clip_loss\(x_to_y_weight=1.0\)';": lambda: _run(
        objective=functools.partial(clip_loss, x_to_y_weight=1.0)
    ),
    r"objective 'clip_loss', but this run has .ContrastiveLoss\(0.5 clip_loss, gather='local'\).;": lambda: _run(
        objective=ContrastiveLoss({clip_loss: 0.5})
    ),
    "optimiser 'AdamW', but this run has 'SGD';": lambda: _momentum_of(0.9),
    "weight_decay of parameter group 0 0.1, but this run has 0.2;": lambda: _run(decay=0.2),
    r"betas of parameter group 0 \[0.9, 0.99\], but this run has \[0.9, 0.98\];": lambda: _run(betas=(0.9, 0.98)),
    "initial_lr of parameter group 0 0.01, but this run has 0.02;": lambda: _run(lr=2e-2),
    "parameter groups 2, but this run has 1;": lambda: _run(one := _model(), optimiser=_one_group(one)),
    "another schedule: factor and logit scale of step 0 were .0.333.*, None., but here they are .0.5, None.;": lambda: (
        _run(schedule=cosine_schedule(2, 12))
    ),
    "another schedule: factor and logit scale of step 4 were .*": lambda: _run(schedule=cosine_schedule(3, 13)),
    "another schedule: factor and logit scale of step 4 were .0.96.*, but here they are .1.0,": lambda: _run(
        schedule=constant_schedule(3)
    ),
    "another schedule: .*, None., but here they are .*, 20.0.;": lambda: _run(scale_schedule=constant_scale(20.0)),
}


@pytest.mark.parametrize(("message", "make"), OTHERS.items())
def test_other_settings_are_refused(tmp_path, message, make):
    run = _run()
    for _ in zip(range(2), run, strict=False):
        pass
    run.save(tmp_path / FILE)
    _check_refusal(make(), tmp_path / FILE, ValueError, f"run.safetensors' was saved with {message}")


def test_options_that_only_one_version_of_torch_has_are_passed_over(tmp_path):
    run = _run()
    run.save(tmp_path / FILE)
    tensors, record = read_tensors(tmp_path / FILE)
    settings = {**record["settings"], "novel of parameter group 0": True}
    del settings["maximize of parameter group 0"]
    write_tensors(tmp_path / FILE, tensors, {**record, "settings": settings})
    assert _run().restore(tmp_path / FILE) == {}


def test_another_number_of_pairs_is_refused(tmp_path):
    class Plain:
        def __init__(self, n):
            self.pairs = _pairs(n)
            self.batch = self.pairs.batch

        def __len__(self):
            return len(self.pairs)

    _run(pairs=Plain(50)).save(tmp_path / FILE)
    message = "was saved with number of pairs 50, but this run has 48;"
    _check_refusal(_run(pairs=Plain(48)), tmp_path / FILE, ValueError, message)


def test_another_number_of_processes_is_refused(tmp_path):
    objective = ContrastiveLoss({clip_loss: 1.0})
    _run(objective=objective, drop_last=True).save(tmp_path / FILE)
    other = _run(objective=objective, drop_last=True, world_size=2)
    message = "was saved with world_size 1, but this run has 2;"
    _check_refusal(other, tmp_path / FILE, ValueError, message)


def test_an_objective_with_another_state_is_refused(tmp_path):
    _run(objective=_LearnedWeight()).save(tmp_path / FILE)
    other = _LearnedWeight()
    other.register_buffer("mean", torch.zeros(2))
    run = _run(objective=other)
    run.settings = _run(objective=_LearnedWeight()).settings
    message = r"was saved with another objective: its 'mean' has shape \(\), here it is \(2,\); give the one"
    _check_refusal(run, tmp_path / FILE, ValueError, message)


def test_another_model_is_refused(tmp_path):
    _run().save(tmp_path / FILE)
    message = (
        r"was saved by another model: its 'x_tower.1.weight' has shape \(6, 8\), here it is \(5, 8\); build the model"
    )
    _check_refusal(_run(_model(5)), tmp_path / FILE, ValueError, message)


def test_weights_alone_are_no_run(tmp_path):
    save_model(_model(), tmp_path / FILE)
    _check_refusal(
        _run(), tmp_path / FILE, FormatError, "holds a model without the state of a run; read it with load_model"
    )


def test_a_later_layout_is_refused(tmp_path):
    _run().save(tmp_path / FILE)
    tensors, record = read_tensors(tmp_path / FILE)
    write_tensors(tmp_path / FILE, tensors, {**record, "layout": 2, "crossgap": "9.0"})
    message = "was written by crossgap 9.0 in layout 2, but this version reads layout 1; go on with the version that"
    _check_refusal(_run(), tmp_path / FILE, FormatError, message)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, part):
    _run().save(tmp_path / FILE)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(part * len(content))])
    _check_refusal(_run(), tmp_path / FILE, FormatError, "run.safetensors' is cut short or no .safetensors file")


def _check_refusal(run: TrainingRun, path, error, message: str) -> None:
    before = {name: values.clone() for name, values in model_state(run.model).items()}
    with pytest.raises(error, match=message) as caught:
        run.restore(path)
    assert "\n" not in str(caught.value)
    assert run.step == 0
    assert not run.optimiser.state
    assert all(torch.equal(values, before[name]) for name, values in model_state(run.model).items())
