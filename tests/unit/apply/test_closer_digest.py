"""A digest is that of what a closer does to rows, and of nothing else."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from crossgap.apply.closer_digest import closer_digest
from crossgap.close.closer_file import read_closer, write_closer
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.translation import Translation
from crossgap.close.whitening import Whitening

GROUPS = ["image"] * 20 + ["text"] * 20


def _rows(seed=0):
    return np.random.default_rng(seed).normal(size=(40, 4))


@pytest.mark.parametrize("closer", [MeanRemoval(), Translation(strength=0.5), Whitening()])
def test_it_survives_a_file(closer, tmp_path):
    closer = clone(closer).fit(_rows(), groups=GROUPS)
    write_closer(closer, tmp_path / "closer.safetensors", facts={"seed": 3})
    assert closer_digest(read_closer(tmp_path / "closer.safetensors")) == closer_digest(closer)


def test_everything_enters():
    first = Translation().fit(_rows(), groups=GROUPS)
    others = [
        Translation(strength=0.9).fit(_rows(), groups=GROUPS),
        Translation(target="text").fit(_rows(), groups=GROUPS),
        Translation(renormalise=False).fit(_rows(), groups=GROUPS),
        Translation().fit(_rows(1), groups=GROUPS),
        Translation().fit(_rows(), groups=["text"] * 20 + ["image"] * 20),
        MeanRemoval().fit(_rows(), groups=GROUPS),
    ]
    assert len({closer_digest(closer) for closer in [first, *others]}) == 7
    first.offsets_["image"][0] += 1e-12
    assert closer_digest(first) != closer_digest(Translation().fit(_rows(), groups=GROUPS))


def test_it_must_be_fitted():
    with pytest.raises(NotFittedError):
        closer_digest(MeanRemoval())
