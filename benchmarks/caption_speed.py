"""The small decoder with DeCap's 4 layers and 4 heads, width 128: a caption alone, 1,000 at once, a training step.

Made captions of 8 to 14 words in at most 4,000 tokens; a row is the direction that the random vectors (512) of its
words add up to. The naive peer is what one writes first with torch's own layers: padding is computed along with the
words, and each token is written by running the whole caption again.
"""

import sys
import time

import numpy as np
import torch
from timing import figure, in_turn, publish, rows_wanted
from torch import nn

from crossgap.train import PairedTensors, TrainingRun, adamw, cosine_schedule
from crossgap.train.transformer import transformer_encoder
from crossgap.transfer import CaptionTokens, Decoding, NearestCaption, TransformerDecoder, token_loss

D, WIDTH, LAYERS, HEADS, MOST = 512, 128, 4, 4, 30
MANY, BATCH, STEPS = 1000, 128, 150
WORDS = 3000
torch.set_num_threads(1)


def made_captions(n: int) -> tuple[list[str], np.ndarray]:
    """Captions of words of Zipf's frequencies, and the unit rows that say which words they hold."""
    rng = np.random.default_rng(0)
    letters = np.array(list("bcdfghjklmnprstvwz")), np.array(list("aeiou"))
    words = ["".join(rng.choice(letters[place % 2]) for place in range(rng.integers(3, 9))) for _ in range(WORDS)]
    directions = rng.standard_normal((WORDS, D)).astype(np.float32)
    share = 1 / np.arange(1, WORDS + 1)
    texts, rows = [], np.empty((n, D), np.float32)
    for number in range(n):
        chosen = np.sort(rng.choice(WORDS, size=rng.integers(8, 15), p=share / share.sum()))
        texts.append(" ".join(words[word] for word in chosen) + ".")
        rows[number] = directions[chosen].sum(axis=0)
    return texts, rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Naive(nn.Module):
    """The same decoder from torch's own layers."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.prefix, self.words = nn.Linear(D, WIDTH), nn.Embedding(vocabulary, WIDTH)
        self.places, self.norm = nn.Embedding(MOST, WIDTH), nn.LayerNorm(WIDTH)
        self.encoder = transformer_encoder(WIDTH, LAYERS, HEADS)
        for layer in self.encoder.layers:
            layer.dropout.p = layer.dropout1.p = layer.dropout2.p = 0.1

    def forward(self, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([self.prefix(rows)[:, None], self.words(tokens[:, :-1].clamp(min=0))], 1)
        x = x + self.places.weight[: x.shape[1]]
        later = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.norm(self.encoder(x, mask=later, is_causal=True)) @ self.words.weight.T, tokens

    @torch.inference_mode()
    def generate(self, rows: torch.Tensor, most: int) -> list[list[int]]:
        self.eval()
        tokens = torch.zeros(len(rows), 0, dtype=torch.int64)
        ended = torch.zeros(len(rows), dtype=torch.bool)
        for _ in range(most):
            padded = torch.cat([tokens, torch.zeros(len(rows), 1, dtype=torch.int64)], 1)
            last = self(rows, padded)[0][:, -1].argmax(dim=-1)
            tokens = torch.cat([tokens, last[:, None]], 1)
            ended |= last == 0
            if bool(ended.all()):
                break
        return tokens.tolist()


def stepping(model: nn.Module, rows: torch.Tensor, tokens: torch.Tensor):
    """A routine that takes four training steps."""
    optimiser = adamw(model, learning_rate=1e-3, weight_decay=0.01)
    pairs = PairedTensors(rows, tokens)
    run = iter(
        TrainingRun(model, token_loss, pairs, optimiser=optimiser, batch_size=BATCH, epochs=9, gradient_clip=1.0)
    )
    return lambda: [next(run).loss for _ in range(4)]


n = rows_wanted(20_000)
texts, rows = made_captions(n)
tokens = CaptionTokens.from_texts(texts, size=4000)
decoder = TransformerDecoder(tokens, dimension=D, width=WIDTH, layers=LAYERS, heads=HEADS, most_tokens=MOST)
given, numbers = torch.from_numpy(rows), decoder.tokens_of(texts)
start = time.process_time()
run = TrainingRun(
    decoder,
    token_loss,
    PairedTensors(given, numbers),
    optimiser=adamw(decoder, learning_rate=2e-3, weight_decay=0.01),
    schedule=cosine_schedule(50, STEPS),
    batch_size=BATCH,
    epochs=-(-STEPS // -(-n // BATCH)),
    gradient_clip=1.0,
)
losses = [step.loss for step, _ in zip(run, range(STEPS), strict=False)]
trained = time.process_time() - start
print(f"trained in {trained:.0f} s, loss {losses[0]:.2f} to {losses[-1]:.2f}", file=sys.stderr, flush=True)

naive = Naive(len(tokens))
nearest = NearestCaption(rows, texts)
ways = {
    "greedy": Decoding(most_tokens=MOST),
    "nucleus": Decoding(method="nucleus", most_tokens=MOST),
    "beam of 5": Decoding(method="beam", most_tokens=MOST),
}
one, many = given[:1], given[:MANY]
mean_tokens = {name: float(np.mean([c.tokens for c in decoder.generate(many, way)])) for name, way in ways.items()}
longest = max(caption.tokens for caption in decoder.generate(one, ways["greedy"]))
singles, written = in_turn(
    {f"{name}, one": lambda way=way: decoder.generate(one, way) for name, way in ways.items()}
    | {"naive, one": lambda: naive.generate(one, longest), "nearest caption, one": lambda: nearest.generate(rows[:1])},
    rounds=9,
)
batches, _ = in_turn(
    {f"{name}, {MANY}": lambda way=way: decoder.generate(many, way) for name, way in ways.items()}
    | {
        f"naive, {MANY}": lambda: naive.generate(many, round(mean_tokens["greedy"])),
        f"nearest caption, {MANY}": lambda: nearest.generate(rows[:MANY]),
    },
    rounds=2,
    once=(f"naive, {MANY}",),
)
steps, _ = in_turn(
    {
        "four steps": stepping(decoder.train(), given, numbers),
        "four steps, naive": stepping(naive.train(), given, numbers),
    },
    rounds=5,
)
timings = singles | batches | steps
taken = {name: timing["cpu_s"] for name, timing in timings.items()}
figures = []
for name in ways:
    each = taken[f"{name}, {MANY}"] / MANY
    figures += [
        figure(
            f"{name}: one embedding",
            1e3 * taken[f"{name}, one"],
            50,
            unit="ms",
            note=f"{written[f'{name}, one'][0].tokens} tokens",
        ),
        figure(
            f"{name}: time of one, alone beside {MANY:,} at once",
            taken[f"{name}, one"] / each / written[f"{name}, one"][0].tokens * mean_tokens[name],
            10 if name == "greedy" else None,
            at_most=False,
            note=f"{1e3 * each:.2f} ms each at {mean_tokens[name]:.1f} tokens; by the token",
        ),
    ]
figures += [
    figure("naive, one embedding, time of greedy", taken["naive, one"] / taken["greedy, one"], None),
    figure(
        f"naive, {MANY:,} embeddings, time of greedy",
        taken[f"naive, {MANY}"] / taken[f"greedy, {MANY}"],
        2,
        at_most=False,
    ),
    figure(
        f"training step of {BATCH} captions",
        250 * taken["four steps"],
        None,
        unit="ms",
        note=f"{BATCH * float((numbers >= 0).sum(dim=1).float().mean()):,.0f} tokens",
    ),
    figure("naive training step, time of ours", taken["four steps, naive"] / taken["four steps"], None),
    figure(
        f"nearest of {n:,} captions: one embedding", 1e3 * taken["nearest caption, one"], 50, unit="ms", note="d = 512"
    ),
]
publish(
    "caption_speed", figures, timings,
    captions=n, vocabulary=len(tokens), layers=LAYERS, width=WIDTH, training_s=trained, mean_tokens=mean_tokens,
)  # fmt: skip
