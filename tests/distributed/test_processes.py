"""Real processes (gloo) against one process on the whole batch.

This file is also the program of the processes: ``python test_processes.py FOLDER`` imports once and forks the processes
of every world size, each of which runs every case and writes what it found; the tests compare.
"""

import functools
import importlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

import crossgap.losses
from crossgap.losses import blocks
from crossgap.losses.alignclip import alignclip_loss
from crossgap.losses.alignment_uniformity import (
    alignment_loss,
    cross_uniformity_loss,
    joint_uniformity_loss,
    uniformity_loss,
)
from crossgap.losses.clip import clip_loss
from crossgap.losses.clip_refine import clip_refine_loss, distillation_loss, random_reference_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.correct_only import correct_only_loss
from crossgap.losses.cua import cua_loss, cuaxu_loss
from crossgap.losses.cyclip import cross_modal_consistency_loss, cyclip_loss, in_modal_consistency_loss
from crossgap.losses.debiased import debiased_loss
from crossgap.losses.decoupled import decoupled_loss
from crossgap.losses.direction_consistency import direction_consistency_loss
from crossgap.losses.extra_negatives import extra_negatives_loss
from crossgap.losses.focal import focal_loss
from crossgap.losses.gathering import gather_rows, process_count
from crossgap.losses.hard_negatives import hard_negative_loss
from crossgap.losses.in_modal import in_modal_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.losses.m2mix import m2mix_loss
from crossgap.losses.m3mix import both_mix_loss, image_mix_loss, m3mix_loss, text_mix_loss
from crossgap.losses.margin import margin_loss
from crossgap.losses.nt_xent import nt_xent_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.similarity_structure import similarity_structure_loss
from crossgap.losses.singular_spread import singular_spread_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gradient_cache import cached_backward

WORLDS = (2, 4)
B, WIDTH, D = 12, 7, 5
MODES = ("local", "all", "detached", "none")


# the cases: each loss of the room, and sums of some


@dataclass(frozen=True)
class Case:
    """Weighted terms, and what a batch brings for them beside its rows; of a tensor each process has its own part."""

    name: str
    terms: dict
    batch: dict = field(default_factory=dict)

    @classmethod
    def of(cls, loss, batch=None, **options):
        shown = ",".join([*(batch or {}), *(f"{key}={value}" for key, value in options.items())])
        return cls(
            loss.__name__ + (f"({shown})" if shown else ""), {functools.partial(loss, **options): 1.0}, batch or {}
        )


def rows_of(seed, n=12):
    return normalize(torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


ITEMS = {"items": torch.arange(B) // 2 % 4}
VIEWS = {"x_views": rows_of(1), "y_views": rows_of(2)}
TEACHER = {"teacher_x": rows_of(3), "teacher_y": rows_of(4)}
SEEDED = {"generator": functools.partial(torch.Generator().manual_seed, 5)}  # made anew for each call

CASES = [
    Case.of(clip_loss),
    Case.of(clip_loss, x_to_y_weight=0.8, y_to_x_weight=0.3),
    Case.of(clip_loss, ITEMS),
    Case.of(uniformity_loss),
    Case.of(cross_uniformity_loss),
    Case.of(joint_uniformity_loss),
    Case.of(alignment_loss),
    Case.of(cua_loss),
    Case.of(cuaxu_loss),
    Case("cuaxu in terms", dict.fromkeys((clip_loss, uniformity_loss, alignment_loss, cross_uniformity_loss), 1.0)),
    Case.of(infoloob_loss),
    Case.of(infoloob_loss, times_temperature=False),
    Case.of(cloob_loss),
    Case.of(cloob_loss, leave_one_out=False),
    Case.of(siglip_loss),
    Case.of(cyclip_loss),
    Case.of(cyclip_loss, VIEWS),
    Case.of(in_modal_consistency_loss),
    Case.of(cross_modal_consistency_loss),
    Case.of(in_modal_loss, VIEWS),
    Case.of(alignclip_loss, {"captions": rows_of(6)}),
    Case.of(alignclip_loss, {"captions": rows_of(6)}, separate_images=False),
    Case.of(clip_refine_loss, {**TEACHER, **SEEDED}),
    Case.of(random_reference_loss, {"reference": rows_of(7)}),
    Case.of(distillation_loss, TEACHER),
    Case.of(m2mix_loss, SEEDED),
    Case.of(m3mix_loss, SEEDED),
    Case.of(image_mix_loss, mixing=0.3),
    Case.of(text_mix_loss, mixing=0.3),
    Case.of(both_mix_loss, mixing=0.3),
    Case.of(correct_only_loss),
    Case.of(debiased_loss),
    Case.of(decoupled_loss),
    Case.of(direction_consistency_loss),
    Case.of(extra_negatives_loss, {"extra_y": rows_of(8, n=2 * B)}),
    Case.of(focal_loss),
    Case.of(hard_negative_loss),
    Case.of(margin_loss),
    Case.of(nt_xent_loss),
    Case.of(similarity_structure_loss),
    Case.of(singular_spread_loss),
    Case("many terms, many data", {clip_loss: 1.0, in_modal_loss: 0.3, m2mix_loss: 0.1}, {**ITEMS, **VIEWS, **SEEDED}),
]


# one problem, in one process or in many


def inputs():
    generator = torch.Generator().manual_seed(7)
    return tuple(torch.randn(B, WIDTH, generator=generator, dtype=torch.float64) for _ in range(2))


def towers():
    model = DualEncoder(nn.Linear(WIDTH, D), nn.Linear(WIDTH, D), LogitScale(8.0), logit_bias=-4.0).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def value_and_gradient(case, part, parts, gather):
    """Return the loss of one of equal parts of the batch, and its gradient by every parameter, by name."""
    model = towers()
    own = {name: value.chunk(parts)[part] for name, value in case.batch.items() if isinstance(value, Tensor)}
    made = {name: value() for name, value in case.batch.items() if not isinstance(value, Tensor)}
    x, y = (rows.chunk(parts)[part] for rows in inputs())
    loss = ContrastiveLoss(case.terms, gather=gather, check=False)(*model(x, y), **own, **made)
    loss.backward()
    return loss.detach(), {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in model.named_parameters()
    }


def train(model, step, optimiser):
    for _ in range(3):
        optimiser.zero_grad()
        step(model)
        optimiser.step()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


OBJECTIVE = {clip_loss: 1.0, uniformity_loss: 0.5, siglip_loss: 0.1}


def plain_step(part, parts, model):
    x, y = (rows.chunk(parts)[part] for rows in inputs())
    ContrastiveLoss(OBJECTIVE)(*model(x, y)).backward()


def cached_step(part, parts, model):
    x, y = (rows.chunk(parts)[part] for rows in inputs())
    cached_backward(model, ContrastiveLoss(OBJECTIVE), x, y, chunk=2)


# what one process does


def run_process(rank, world, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world)
    found = {
        "cases": {case.name: {mode: _plain(case, mode) for mode in MODES} for case in CASES},
        "one pass": {mode: _in_one_pass(mode) for mode in MODES},
        "gathered": _gathered(),
        "half": _half_precision(),
        "messages": _messages(folder),
        "trained": _trained(),
    }
    (folder / f"found{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def _place():
    return dist.get_rank(), dist.get_world_size()


def _plain(case, mode):
    value, gradient = value_and_gradient(case, *_place(), mode)
    return value.item(), {name: part.tolist() for name, part in gradient.items()}


def _in_one_pass(mode):
    """The terms that share one fused pass, which a batch of 512 rows takes by itself, here one of 4."""
    usual, blocks._WORTH_FUSING = blocks._WORTH_FUSING, 4
    try:
        return _plain(next(case for case in CASES if case.name == "cuaxu in terms"), mode)
    finally:
        blocks._WORTH_FUSING = usual


def _gathered():
    """Rows of two dimensions and of one, of floats and of whole numbers; the gradient of rank + 1 times their sum."""
    found = {}
    rank = dist.get_rank()
    for gradient in (True, False):
        rows = torch.full((2, 3), float(rank), requires_grad=True)
        gathered = gather_rows(rows, gradient=gradient)
        ((rank + 1) * gathered.sum()).backward()
        found[f"gradient={gradient}"] = gathered[:, 0].tolist(), rows.grad.tolist()
    found["whole numbers"] = gather_rows(torch.tensor([rank, 10 + rank])).tolist()
    found["without check"] = gather_rows(torch.tensor([rank, 10 + rank]), check=False).tolist()
    found["transposed"] = gather_rows(torch.arange(6).reshape(2, 3).T[:1] + rank).tolist()
    pair = dist.new_group([rank // 2 * 2, rank // 2 * 2 + 1], use_local_synchronization=True)
    found["pairs"] = gather_rows(torch.tensor([rank]), group=pair).tolist(), process_count(pair)
    return found


SUMMANDS = (256.0, 1.0, -256.0, 1.0)


def _half_precision():
    """Gradients that bfloat16 would lose part of in some order: in each column another process has the large one."""
    orders = itertools.permutations(SUMMANDS[: dist.get_world_size()])
    weights = torch.tensor([order[dist.get_rank()] for order in orders], dtype=torch.bfloat16)
    rows = torch.ones(1, len(weights), dtype=torch.bfloat16, requires_grad=True)
    gathered = gather_rows(rows)
    (gathered * weights).sum().backward()
    return str(gathered.dtype), rows.grad[0].tolist()


def _messages(folder):
    """Return what each process says of unequal batches, and of a group that it is not in."""
    rank = dist.get_rank()
    first = dist.new_group([0])
    attempts = {
        "rows": lambda: gather_rows(torch.zeros(3 if rank == 1 else 4, 2)),
        "width": lambda: gather_rows(torch.zeros(4, 3 if rank == 1 else 2)),
        "objective": lambda: ContrastiveLoss({clip_loss: 1.0})(*(torch.eye(3 + rank),) * 2, 10.0),
        "long rows": lambda: ContrastiveLoss({clip_loss: 1.0})(*(torch.eye(3) * (1 + rank),) * 2, 10.0),
        "group": lambda: gather_rows(torch.zeros(2, 2), group=first),
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            said[name] = ""
        except ValueError as error:
            said[name] = str(error)
    return said


def _trained():
    found = {}
    for name, step in (("plain", plain_step), ("cached", cached_step)):
        model, exchanges = DistributedDataParallel(towers()), []
        model.register_comm_hook(exchanges, _counted_exchange)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.05)
        found[name] = train(model, functools.partial(step, *_place()), optimiser).tolist(), len(exchanges)
    return found


def _counted_exchange(exchanges, bucket):
    exchanges.append(bucket.index())
    return allreduce_hook(None, bucket)


# what the tests compare


@pytest.fixture(scope="module")
def all_found(tmp_path_factory):
    """The folder where the processes of all world sizes wrote what they found."""
    folder = tmp_path_factory.mktemp("worlds")
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(folder)],
        env={**os.environ, **one_thread},
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world} processes")
def found(request, all_found):
    """What each process found, by rank."""
    return [
        json.loads((all_found / f"{request.param}" / f"found{rank}.json").read_text()) for rank in range(request.param)
    ]


@functools.cache
def whole(name):
    case = next(case for case in CASES if case.name == name)
    value, gradient = value_and_gradient(case, 0, 1, "local")
    return value.item(), gradient


def close(values, expected):
    values = torch.as_tensor(values, dtype=torch.float64)
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-10)


def values_of(found, name, mode):
    return [process["cases"][name][mode][0] for process in found]


def close_gradients(found, name, mode, expected):
    """Compare the mean over processes, which is what data-parallel training takes."""
    for key, gradient in expected.items():
        parts = [torch.tensor(process["cases"][name][mode][1][key], dtype=torch.float64) for process in found]
        close(sum(parts) / len(parts), gradient)


NAMES = [case.name for case in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_local_rows_add_up_to_the_whole_batch(found, name):
    value, gradient = whole(name)
    close(sum(values_of(found, name, "local")) / len(found), value)
    close_gradients(found, name, "local", gradient)
    assert max(part.abs().max() for part in gradient.values()) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_everywhere_are_the_whole_batch(found, name):
    value, gradient = whole(name)
    close(values_of(found, name, "all"), [value] * len(found))
    close_gradients(found, name, "all", gradient)


@pytest.mark.parametrize("name", NAMES)
def test_detached_rows_give_a_share_of_the_gradient_of_the_towers(found, name):
    value, gradient = whole(name)
    close(values_of(found, name, "detached"), [value] * len(found))
    share = {key: part / len(found) if "tower" in key else part for key, part in gradient.items()}
    close_gradients(found, name, "detached", share)


@pytest.mark.parametrize("name", NAMES)
def test_without_gathering_each_process_has_its_own_objective(found, name):
    case = next(case for case in CASES if case.name == name)
    parts = [value_and_gradient(case, rank, len(found), "none") for rank in range(len(found))]
    close(values_of(found, name, "none"), [value for value, _ in parts])
    mean = {key: sum(gradient[key] for _, gradient in parts) / len(parts) for key in parts[0][1]}
    close_gradients(found, name, "none", mean)


@pytest.mark.parametrize(("mode", "share"), [("local", False), ("all", False), ("detached", True)])
def test_terms_that_share_one_pass_are_gathered_alike(found, mode, share):
    value, gradient = whole("cuaxu in terms")
    close(sum(process["one pass"][mode][0] for process in found) / len(found), value)
    for key, expected in gradient.items():
        mean = sum(torch.tensor(process["one pass"][mode][1][key], dtype=torch.float64) for process in found) / len(
            found
        )
        close(mean, expected / len(found) if share and "tower" in key else expected)


def test_local_values_are_means_of_own_rows_and_other_terms_are_whole(found):
    assert len(set(values_of(found, "clip_loss", "local"))) == len(found)
    close(values_of(found, "uniformity_loss", "local"), [whole("uniformity_loss")[0]] * len(found))


def test_gathered_rows_stand_in_the_order_of_ranks(found):
    ranks = range(len(found))
    for rank, process in enumerate(found):
        gathered = process["gathered"]
        in_order = [float(r) for r in ranks for _ in range(2)]
        summed = sum(r + 1 for r in ranks)
        assert gathered["gradient=True"] == [in_order, [[summed] * 3] * 2]
        assert gathered["gradient=False"] == [in_order, [[rank + 1] * 3] * 2]
        assert gathered["whole numbers"] == gathered["without check"] == [n for r in ranks for n in (r, 10 + r)]
        assert gathered["transposed"] == [[r, 3 + r] for r in ranks]
        assert gathered["pairs"] == [[rank // 2 * 2, rank // 2 * 2 + 1], 2]


def test_gradients_of_half_precision_are_added_up_in_single(found):
    exact = torch.tensor(sum(SUMMANDS[: len(found)])).bfloat16().item()
    for process in found:
        dtype, gradient = process["half"]
        assert dtype == "torch.bfloat16"
        assert set(gradient) == {exact}


def test_unequal_batches_are_told_on_every_process(found):
    for rank, process in enumerate(found):
        said = process["messages"]
        assert "process 1 has 3 rows of 2 numbers and process 0 has 4 of 2" in said["rows"]
        assert "process 1 has 4 rows of 3 numbers and process 0 has 4 of 2" in said["width"]
        assert "process 1 has 4 rows of 4 numbers and process 0 has 3 of 3" in said["objective"]
        assert "but row" in said["long rows"]
        assert "has length" in said["long rows"]
        assert (f"process {rank} is not in it" in said["group"]) == (rank > 0)


@pytest.mark.parametrize("way", ["plain", "cached"])
def test_three_steps_of_data_parallel_training_are_those_of_one_process(found, way):
    model = towers()
    expected = train(model, functools.partial(plain_step, 0, 1), torch.optim.AdamW(model.parameters(), lr=0.05))
    for process in found:
        weights, exchanges = process["trained"][way]
        close(weights, expected)
        assert exchanges == 3  # one for each step, also of a step in chunks


def test_every_loss_of_the_room_is_a_case():
    sources = Path(crossgap.losses.__file__).parent.glob("*.py")
    losses = {
        name for path in sources for name in re.findall(r"^def ([a-z]\w*_loss)\(", path.read_text(), re.MULTILINE)
    }
    used = {getattr(loss, "func", loss).__name__ for case in CASES for loss in case.terms}
    assert losses == used


def start_processes(folder):
    """Fork the processes of each world size; fail if one of them does."""
    importlib.import_module("torch._dynamo")  # 1.5 s that data-parallel modules would take in each process
    for world in WORLDS:  # one after the other: more processes than cores wait for each other
        (folder / f"{world}").mkdir()
        children = []
        for rank in range(world):
            child = os.fork()
            if child == 0:
                signal.alarm(240)  # a process that waits for one that failed ends too
                run_process(rank, world, folder / f"{world}")
                return
            children.append(child)
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        if failed:
            sys.exit(f"{failed} of {world} processes failed")


if __name__ == "__main__":
    start_processes(Path(sys.argv[1]))
