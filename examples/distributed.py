"""Train over several processes, with the same steps as one process on the whole batch.

    python examples/distributed.py                               one process
    torchrun --nproc-per-node 2 examples/distributed.py          two: the same losses

With Accelerate, start by ``accelerate launch`` and let it wrap model, optimiser and data:

    model, optimiser, loader = Accelerator().prepare(model, optimiser, loader)

It starts torch.distributed, so the objective below gathers rows as it does here; call ``accelerator.backward(loss)``.
"""

# %% Processes: torchrun sets the number of each; a GPU takes "nccl"
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from crossgap.losses import ContrastiveLoss, LogitScale, alignment_loss, clip_loss, uniformity_loss
from crossgap.train import DualEncoder, cached_backward, mlp_tower

launched = "RANK" in os.environ
if launched:
    dist.init_process_group("gloo")
rank, world = (dist.get_rank(), dist.get_world_size()) if launched else (0, 1)

# %% The same pairs and the same towers on every process, by their seeds
generator = torch.Generator().manual_seed(0)
hidden = torch.randn(256, 16, generator=generator)
x, y = (torch.cat([hidden, 0.3 * torch.randn(256, 16, generator=generator)], dim=1) for _ in range(2))
towers = [mlp_tower(32, 64, 1, 16, generator=generator) for _ in range(2)]
encoder = DualEncoder(*towers, LogitScale(1 / 0.07))
model = DistributedDataParallel(encoder) if launched else encoder

# %% The objective: each process adds up its own rows against the rows of all
objective = ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 1.0, alignment_loss: 1.0}, gather="local")
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

# %% Steps: a global batch of 64 pairs, and of it to each process its share, in chunks of 16 to save memory
for step in range(24):
    order = torch.randperm(256, generator=generator)[:64]  # the same on every process
    own = order.chunk(world)[rank]
    optimiser.zero_grad()
    loss, _ = cached_backward(model, objective, x[own], y[own], chunk=16)
    optimiser.step()
    encoder.logit_scale.clamp_()
    if launched:  # the value is that of the own rows; their mean is the loss
        dist.all_reduce(loss)
        loss /= world
    if rank == 0 and step % 8 in (0, 7):
        print(f"step {step:2}  loss {loss.item():.4f}")

if launched:
    dist.barrier()  # no process leaves while another still talks to it
    del model  # its threads end before those of the group
    dist.destroy_process_group()
