"""CUAXU in bfloat16 on a CUDA device, forward and backward, beside its 14 B^2 d flops at the device's product rate.

    python benchmarks/losses_cuda.py            32,768 and 131,072 rows; prints one JSON document

It is no part of ``run.py``, which runs everywhere. Without a CUDA device it says so and ends.
"""

import json
import statistics
import sys

import torch

from crossgap.losses import clip_loss, cuaxu_loss, siglip_loss

D = 512
SIZES = [int(size) for size in sys.argv[1:]] or [32_768, 131_072]
UNITS = {"CUAXU": (cuaxu_loss, 14), "CLIP": (clip_loss, 8), "SigLIP": (siglip_loss, 6)}

if not torch.cuda.is_available():
    sys.exit("there is no CUDA device here, so nothing was measured.")


def milliseconds(routine, rounds: int = 5) -> float:
    routine()
    taken = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        routine()
        end.record()
        torch.cuda.synchronize()
        taken.append(start.elapsed_time(end))
    return statistics.median(taken)


def step(loss, x, y):
    x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
    loss(x, y, torch.tensor(14.3, device="cuda", requires_grad=True), fused=True, check=False).backward()


a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
rate = 2 * 8192**3 / milliseconds(lambda: a @ a, 20) * 1e3
figures = []
for size in SIZES:
    generator = torch.Generator("cuda").manual_seed(0)
    rows = [torch.randn(size, D, device="cuda", generator=generator) for _ in range(2)]
    x, y = (torch.nn.functional.normalize(part, dim=1).bfloat16() for part in rows)
    del rows
    for name, (loss, units) in UNITS.items():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        taken = milliseconds(lambda loss=loss, x=x, y=y: step(loss, x, y))
        floor = units * size * size * D / rate * 1e3
        memory = (torch.cuda.max_memory_allocated() - before) / 2**20
        figures.append(
            {"loss": name, "rows": size, "ms": taken, "floor_ms": floor, "times_floor": taken / floor, "MiB": memory}
        )
print(json.dumps({"device": torch.cuda.get_device_name(), "bf16_tflops": rate / 1e12, "figures": figures}, indent=2))
