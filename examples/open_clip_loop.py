"""Train with crossgap's losses in open_clip's loop: only the line that makes the loss changes.

The model below stands in for an open_clip model, so that this runs in seconds without a download. It gives what
open_clip's models give: a dict of image_features, text_features and logit_scale. With open_clip installed, write

    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", pretrained="laion2b_s34b_b79k")
    model.output_dict = True

and keep the rest. In open_clip's own training program, return the ContrastiveLoss from open_clip.create_loss.
"""

# %% Pairs: both sides see the same hidden vector, each through its own noise
import torch
from torch import nn
from torch.nn.functional import normalize

from crossgap.losses import ContrastiveLoss, alignment_loss, clip_loss, uniformity_loss
from crossgap.measure import centroid_distance, linear_separability, recall_at_k

generator = torch.Generator().manual_seed(0)
hidden = torch.randn(512, 16, generator=generator)
images = torch.cat([hidden, 0.3 * torch.randn(512, 16, generator=generator)], dim=1)
texts = torch.cat([hidden, 0.3 * torch.randn(512, 16, generator=generator)], dim=1)


# %% A model with the outputs of open_clip's
class Model(nn.Module):
    """Two linear towers that start in two narrow cones: the gap that untrained towers have."""

    def __init__(self):
        super().__init__()
        self.visual, self.text = nn.Linear(32, 32), nn.Linear(32, 32)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        with torch.no_grad():
            for side, tower in enumerate((self.visual, self.text)):
                tower.weight.copy_(torch.randn(32, 32, generator=generator) / 32**0.5)
                tower.bias.zero_()[side] = 3.0

    def forward(self, image, text):
        """Return unit rows of both and the logit scale, by the names that open_clip gives them."""
        return {
            "image_features": normalize(self.visual(image), dim=-1),
            "text_features": normalize(self.text(text), dim=-1),
            "logit_scale": self.logit_scale.exp(),
        }


# %% The loss: in place of open_clip.ClipLoss(...)
CUA = {clip_loss: 1.0, uniformity_loss: 1.0, alignment_loss: 1.0}


def train(model, loss, epochs=15, batch_size=64):
    """Train as open_clip does: the values of the dict are added up, and each is logged by its name."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for rows in order.split(batch_size):
            optimizer.zero_grad()
            model_out = model(images[rows], texts[rows])
            losses = loss(**model_out, output_dict=True)
            total_loss = sum(losses.values())
            total_loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, torch.tensor(100.0).log())
    return {name: value.item() for name, value in losses.items()}


# %% The gap at the start, after CLIP alone, and after CLIP with uniformity and alignment
def report(name, model):
    """Print the centroid distance, how well a line tells the modalities apart, and retrieval."""
    with torch.no_grad():
        out = model(images, texts)
    x, y = out["image_features"], out["text_features"]
    gap, apart = float(centroid_distance(x, y)), float(linear_separability(x, y))
    print(f"{name:14} gap {gap:.2f}  separability {apart:.2f}  R@1 {float(recall_at_k(x, y, k=1)):.2f}")


start = Model()
report("untrained", start)
for name, terms in (("CLIP", {clip_loss: 1.0}), ("CLIP + U + A", CUA)):
    model = Model()
    model.load_state_dict(start.state_dict())
    losses = train(model, ContrastiveLoss(terms))
    report(name, model)
print("last step:", ", ".join(f"{name} {value:.3f}" for name, value in losses.items()))
