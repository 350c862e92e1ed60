"""Fine-tune a Hugging Face CLIP model with crossgap's losses.

The model is tiny and random, so that this runs in seconds without a download; with a real one, write

    model = CLIPModel.from_pretrained("openai/clip-vit-base-patch32")

and keep the rest. With Hugging Face's Trainer, override the method that computes the loss:

    class ContrastiveTrainer(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            outputs = model(**inputs)
            loss = objective(outputs.image_embeds, outputs.text_embeds, self.model.logit_scale.exp())
            return (loss, outputs) if return_outputs else loss
"""

# %% A tiny CLIP, and pairs of pictures and token ids that name their colours
import torch
from transformers import CLIPConfig, CLIPModel

from crossgap.losses import ContrastiveLoss, alignment_loss, clip_loss, uniformity_loss
from crossgap.measure import centroid_distance, recall_at_k

generator = torch.Generator().manual_seed(0)
LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS, END = 60, 61

config = CLIPConfig(
    text_config={**LAYERS, "vocab_size": 62, "max_position_embeddings": 4, "eos_token_id": END, "bos_token_id": 60},
    vision_config={**LAYERS, "image_size": 16, "patch_size": 8},
    projection_dim=16,
)
with torch.random.fork_rng():
    torch.manual_seed(0)
    model = CLIPModel(config)

words = torch.randint(WORDS, (256, 3), generator=generator)
input_ids = torch.cat([words, torch.full((256, 1), END)], dim=1)
colours = words / (WORDS / 2) - 1
pixel_values = colours[:, :, None, None] + 0.05 * torch.randn(256, 3, 16, 16, generator=generator)


# %% The gap of a model, on all pairs
def report(name):
    """Print the centroid distance, and how often a picture finds its words among five."""
    model.eval()
    with torch.no_grad():
        outputs = model(input_ids=input_ids, pixel_values=pixel_values)
    x, y = outputs.image_embeds, outputs.text_embeds
    print(f"{name:10} gap {float(centroid_distance(x, y)):.2f}  R@5 {float(recall_at_k(x, y, k=5)):.2f}")
    model.train()


# %% The loop: the objective takes the place of outputs.loss
objective = ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 0.5, alignment_loss: 0.5})
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)

report("untrained")
for _ in range(15):
    for rows in torch.randperm(256, generator=generator).split(64):
        outputs = model(input_ids=input_ids[rows], pixel_values=pixel_values[rows])
        loss = objective(outputs.image_embeds, outputs.text_embeds, model.logit_scale.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, torch.tensor(100.0).log())
report("trained")
