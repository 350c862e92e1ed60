"""CUAXU and CLIP, forward and backward, beside open_clip's ClipLoss, the plain forms and the products that any needs.

Batches of 1,024, 4,096 and 16,384 rows (or the sizes given), d = 512, float32, scale 14.3. The floor is 14 B^2 d flops
for CUAXU and 8 B^2 d for CLIP at the rate of the fastest product of two blocks that this machine has, taken in turn
with them. Extra memory is measured in a process of its own for each. open_clip's loss is read from its file, since
importing the package needs torchvision:

    pip install --no-deps open_clip_torch==3.3.0
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from timing import D, extra_mib, figure, publish, unit_rows

from crossgap.losses import clip_loss, cua_loss, cuaxu_loss

SCALE = 1 / 0.07
MEMORY_OF = sys.argv[2] if sys.argv[1:2] == ["--memory"] else None
SIZES = [int(size) for size in sys.argv[1 if MEMORY_OF is None else 3 :]] or [1024, 4096, 16384]
BLOCK = 1024
ROUNDS = {1024: 9, 4096: 5}  # and one above
torch.set_num_threads(1)


def open_clip_loss():
    """open_clip's ClipLoss, or None where the package is not installed."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        return None
    spec = importlib.util.spec_from_file_location("open_clip_loss", Path(found.origin).with_name("loss.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ClipLoss()


def step(loss, x, y):
    """Forward and backward, the gradient of the scale too."""
    x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
    scale = torch.tensor(SCALE, requires_grad=True)
    value = loss(x, y, scale)
    value.backward()
    return float(value.detach())


def product_rates(a, b) -> dict[str, float]:
    """GF/s of each way to multiply two blocks: torch, oneDNN through torch, NumPy."""
    an, bn = a.numpy(), b.numpy()
    ways = {
        "torch": lambda: a @ b.T,
        "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""),
        "NumPy": lambda: an @ bn.T,
    }
    rates = {}
    for name, way in ways.items():
        way()
        start = time.process_time()
        for _ in range(10):
            way()
        rates[name] = 10 * 2 * BLOCK * BLOCK * D / (time.process_time() - start) / 1e9
    return rates


def all_losses():
    theirs = open_clip_loss()
    return {
        "CUAXU fused": partial(cuaxu_loss, fused=True),
        "CUAXU plain": partial(cuaxu_loss, fused=False),
        "CUA fused": partial(cua_loss, fused=True),
        "CLIP fused": partial(clip_loss, fused=True),
        "CLIP plain": partial(clip_loss, fused=False),
    } | ({} if theirs is None else {"CLIP open_clip": theirs})


def pairs(size):
    x = torch.from_numpy(unit_rows(size))
    return x, torch.from_numpy(unit_rows(size, seed=1, noise=1.0, of=x.numpy()))


def memory_of(name: str, size: int) -> float:
    """MiB that one step takes, in a process that has done one of another batch before."""
    command = [sys.executable, __file__, "--memory", name, str(size)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


if MEMORY_OF is not None:
    loss = all_losses()[MEMORY_OF]
    step(loss, *pairs(512))
    x, y = pairs(SIZES[0])
    print(extra_mib(lambda: step(loss, x, y)))
    sys.exit()

losses = all_losses()
figures, timings, rates = [], {}, []
a, b = (torch.from_numpy(unit_rows(BLOCK, seed)) for seed in (1, 2))
for size in SIZES:
    memory = {name: memory_of(name, size) for name in losses}  # first, while this process is small
    print(size, {name: round(mib) for name, mib in memory.items()}, file=sys.stderr, flush=True)
    x, y = pairs(size)
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    here: list[float] = []
    values = {}
    for _ in range(ROUNDS.get(size, 1)):
        for name, loss in losses.items():
            here.append(max(product_rates(a, b).values()))
            start = time.process_time()
            values[name] = step(loss, x, y)
            seconds[name].append(time.process_time() - start)
    rates.append(product_rates(a, b))
    print(size, seconds, file=sys.stderr, flush=True)
    assert abs(values["CUAXU fused"] - values["CUAXU plain"]) < 1e-4 * abs(values["CUAXU plain"])
    assert abs(values["CLIP fused"] - values["CLIP plain"]) < 1e-4 * abs(values["CLIP plain"])
    taken = {name: statistics.median(runs) for name, runs in seconds.items()}
    rate = statistics.median(here) * 1e9
    floors = {"CUAXU": 14 * size * size * D / rate, "CLIP": 8 * size * size * D / rate}
    label = f"B = {size:,}"
    large, small = size >= 16_000, size <= 1024
    figures += [
        figure(
            f"{label}: fused CUAXU, time of its 14 B^2 d flops",
            taken["CUAXU fused"] / floors["CUAXU"],
            1.45 if large else 1.6 if small else None,
        ),
        figure(
            f"{label}: plain CUAXU, time of fused",
            taken["CUAXU plain"] / taken["CUAXU fused"],
            5 if large else None,
            at_most=False,
        ),
        figure(
            f"{label}: plain CUAXU, memory of fused",
            memory["CUAXU plain"] / max(memory["CUAXU fused"], 1),
            25 if large else None,
            at_most=False,
            note=f"{memory['CUAXU plain']:.0f} and {memory['CUAXU fused']:.0f} MiB",
        ),
        figure(f"{label}: fused CLIP, time of its 8 B^2 d flops", taken["CLIP fused"] / floors["CLIP"], None),
    ]
    if "CLIP open_clip" in losses:
        figures += [
            figure(
                f"{label}: open_clip's CLIP, time of fused",
                taken["CLIP open_clip"] / taken["CLIP fused"],
                3 if large else None,
                at_most=False,
            ),
            figure(
                f"{label}: open_clip's CLIP, memory of fused",
                memory["CLIP open_clip"] / max(memory["CLIP fused"], 1),
                20 if large else None,
                at_most=False,
                note=f"{memory['CLIP open_clip']:.0f} and {memory['CLIP fused']:.0f} MiB",
            ),
        ]
    timings |= {
        f"{name}, {size:,}": {"cpu_s": taken[name], "wall_s": taken[name], "rounds": len(seconds[name])}
        for name in losses
    }
best = {name: float(np.median([rate[name] for rate in rates])) for name in rates[0]}
publish("losses", figures, timings, sizes=SIZES, products_gflops=best, open_clip="CLIP open_clip" in losses)
