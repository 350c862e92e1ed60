"""Six points a modality on a sphere: where the contrastive loss wants the gap, with captions in order and swapped."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crossgap.losses.clip import clip_loss

__all__ = ["AZIMUTHS", "lift_of_least_loss", "lifted_pairs"]

AZIMUTHS = (-20, 0, 20, 40, 60, 80)  # degrees


def lifted_pairs(lift: float, *, swapped: bool) -> tuple[Tensor, Tensor]:
    """Return six images on the equator, and their six texts at the same azimuths lifted by an angle.

    Parameters
    ----------
    lift
        Latitude of the texts, in degrees, from -90 to 90; 0 puts each on its image.
    swapped
        Give the first two images each other's text.

    Examples
    --------
    >>> x, y = lifted_pairs(90.0, swapped=False)
    >>> y.mean(dim=0).numpy().round(6).tolist()
    [0.0, 0.0, 1.0]
    """
    azimuths = np.deg2rad(AZIMUTHS)
    of_texts = azimuths[[1, 0, 2, 3, 4, 5]] if swapped else azimuths
    latitude = np.deg2rad(lift)
    images = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(6)], axis=1)
    texts = np.stack(
        [np.cos(of_texts) * np.cos(latitude), np.sin(of_texts) * np.cos(latitude), np.full(6, np.sin(latitude))], axis=1
    )
    return torch.from_numpy(images), torch.from_numpy(texts)


def lift_of_least_loss(
    logit_scale: float, *, swapped: bool, lifts: Sequence[float] = tuple(range(91))
) -> tuple[float, float, float]:
    """Return the lift at which the contrastive loss is least, the loss there, and the loss without a lift.

    How to read it: 0 where the loss wants the modalities to meet, above 0 where it wants a gap. The loss is the same
    for a lift and its negative, so those from 0 to 90 degrees are enough.

    Parameters
    ----------
    logit_scale
        1 / temperature.
    swapped
        As in ``lifted_pairs``.
    lifts
        The angles to try, in degrees.

    Notes
    -----
    At a low temperature a wrong neighbour on the equator costs more than it does further away: with two captions
    swapped, the loss falls as the texts rise and all cosines shrink together.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 5 (the simulation with mismatched data).

    Examples
    --------
    >>> lift_of_least_loss(1.0, swapped=True)[0], lift_of_least_loss(100.0, swapped=True)[0] > 45
    (0.0, True)
    """
    losses = [float(clip_loss(*lifted_pairs(lift, swapped=swapped), logit_scale)) for lift in lifts]
    best = int(np.argmin(losses))
    return float(lifts[best]), losses[best], float(clip_loss(*lifted_pairs(0.0, swapped=swapped), logit_scale))
