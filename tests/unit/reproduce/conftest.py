"""Made-up features of pictures, sounds and captions, and tiny sizes to study captioning with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossgap.data.synthetic import two_cone_latents, two_cone_pairs
from crossgap.reproduce import caption_study
from crossgap.reproduce.caption_runs import CaptionRecipe

RECIPE = CaptionRecipe(
    width=16, layers=1, most_tokens=8, vocabulary=300, epochs=2, paired_epochs=2, batch_size=16, warmup_steps=4
)
TINY = caption_study.CaptionSet(test=12, validation=10, recipe=RECIPE, target_cosines={"C2_2": 0.9, "C3": 0.8})


def _described(n: int) -> list[str]:
    """Say what the first three coordinates of the latent vectors are, and which item it is."""
    words = (("small", "big"), ("red", "blue"), ("dog", "cat"))
    signs = two_cone_latents(n, latent=8, nuisance=0)[:, :3] > 0
    told = [" ".join(pair[int(sign)] for pair, sign in zip(words, row, strict=True)) for row in signs]
    return [f"{text} number {number}" for number, text in enumerate(told)]


@pytest.fixture
def write_features(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Return a function that writes <name>.npz of n items, and gives that set tiny sizes; it returns the folder."""

    def write(name: str = "emoji", *, n: int = 60, several: int = 1, sounds: int = 0) -> Path:
        monkeypatch.setitem(caption_study.SETS, name, TINY)
        x, y = two_cone_pairs(n, dimension=12, latent=8, nuisance=0)
        items, told = np.array([f"item {number}" for number in range(n)]), _described(n)
        noise = np.random.default_rng(1).normal(scale=0.1, size=(n * several, 12))
        arrays = {
            "image": x.astype(np.float16),
            "image_item": items,
            "text": (np.repeat(y, several, axis=0) + noise).astype(np.float32),
            "text_item": np.repeat(items, several),
            "text_caption": np.array([f"{('a', 'the', 'one')[c % 3]} {text}" for text in told for c in range(several)]),
        }
        if sounds:
            arrays |= {"audio": x[:sounds, :8], "audio_item": items[:sounds]}
        folder = tmp_path / "features"
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{name}.npz", **arrays)
        return folder

    return write
