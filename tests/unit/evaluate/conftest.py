"""Groups that tests of the room evaluate share."""

import json

import numpy as np
import pytest

from crossgap.data.embeddings import Embeddings, Group
from crossgap.evaluate.folds import numbered

CIFAR_IN_IMAGENET = {  # names of ImageNet classes, by their first words, that show a CIFAR-10 class
    "airplane": ("airliner", "warplane"),
    "automobile": (
        "cab",
        "convertible",
        "jeep",
        "limousine",
        "minivan",
        "Model T",
        "racer",
        "sports car",
        "beach wagon",
    ),
    "bird": ("cock", "hen", "ostrich", "brambling", "goldfinch", "house finch", "junco", "indigo bunting", "robin"),
    "cat": ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"),
    "deer": ("hartebeest", "impala", "gazelle"),
    "dog": ("Chihuahua", "beagle", "golden retriever", "Labrador retriever", "boxer", "pug", "German shepherd"),
    "frog": ("bullfrog", "tree frog", "tailed frog"),
    "horse": ("sorrel",),
    "ship": ("container ship", "liner", "schooner", "speedboat", "aircraft carrier", "fireboat"),
    "truck": ("pickup", "tow truck", "trailer truck", "garbage truck", "moving van", "fire engine"),
}


def world(n: int = 120, d: int = 16, *, seed: int = 0, gap: float = 2.0, captions: int = 1) -> Embeddings:
    """Pictures and texts of n items, some texts an item, in two clouds of one shape that lie apart."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d))
    offset = gap * np.eye(d)[0]
    owners = np.repeat(np.arange(n), captions)
    image = shared + 0.3 * rng.standard_normal((n, d)) + offset
    text = shared[owners] + 0.3 * rng.standard_normal((len(owners), d)) - offset
    return Embeddings.from_arrays(image=image, text=text, items={"image": np.arange(n), "text": owners})


@pytest.fixture
def pairs() -> Embeddings:
    """120 pairs with a clear gap that a shift of the means closes."""
    return numbered(world())[0]


@pytest.fixture(scope="session")
def coco_pairs(coco) -> Embeddings:
    """500 real CLIP pairs."""
    return numbered(Embeddings.from_arrays(image=coco["image"], text=coco["text"]))[0]


@pytest.fixture(scope="session")
def fashion_pairs(shared_data) -> Embeddings:
    """1000 real products."""
    with np.load(shared_data / "pairs" / "fashion1000_marqo-fashionclip.npz") as arrays:
        return numbered(Embeddings.from_arrays(image=arrays["image"], text=arrays["text"]))[0]


@pytest.fixture(scope="session")
def cifar_classes(shared_data) -> Embeddings:
    """500 real pictures of ten classes, and the names of 1000 classes of which some are among the ten."""
    folder = shared_data / "pairs"
    names = json.loads((folder / "cifar500_clip-vit-b32.names.json").read_text(encoding="utf-8"))
    known = {first: label for label, firsts in CIFAR_IN_IMAGENET.items() for first in firsts}
    text_labels = [known.get(name.partition(",")[0], f"ImageNet {name}") for name in names["imagenet1000"]]
    with np.load(folder / "cifar500_clip-vit-b32.npz") as arrays:
        labels = [names["cifar10"][number] for number in arrays["label"]]
        image = Group(vectors=arrays["image"], items=np.array(labels), label=labels)
        text = Group(vectors=arrays["imagenet_text_a"], items=np.array(text_labels), label=text_labels)
    return numbered(Embeddings({"image": image, "text": text}))[0]
