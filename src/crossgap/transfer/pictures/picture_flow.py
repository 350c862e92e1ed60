"""A small network that turns noise into pictures along straight paths, conditioned on one embedding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossgap.errors import MissingExtraError
from crossgap.train.initialisation import initialised
from crossgap.transfer.pictures.sampling import Sampling, integrate

__all__ = ["PictureFlow", "flow_loss"]

_GROUPS = 8
_STREAM = 0xF10
_BLOCK = 256
_SPREAD = 0.7  # root mean square of pixels in [-1, 1], roughly


class PictureFlow(nn.Module):
    """A conditional U-Net of ``diffusers`` trained by flow matching: it predicts how a picture in the making moves.

    Formula::

        x_t = (1 - t) x_0 + t x_1,   x_0 ~ N(0, I),  x_1 a picture in [-1, 1],  t = 1 / (1 + exp(-N(0, 1)))
        v(x_t, t, c) is fitted to x_1 - x_0;     a picture is x_0 followed along v from t = 0 to t = 1
        v(x, t, c) = a_t x + b_t F(x / r_t, t, c),   r_t^2 = (1 - t)^2 + t^2 s^2,  s = 0.7
        a_t = (t s^2 - (1 - t)) / r_t^2,   b_t = s / r_t

    How to read it: c is one prepared row (of pictures in training, of any modality in use), through two linear layers
    into the time embedding of the U-Net. Some training items have a learned vector in its place, so that the network
    knows the pictures without any condition too, as guidance needs. The factors a, b and r make the U-Net F predict
    what no multiple of x says, at variance 1: near t = 0 the picture, never the noise that it was given.

    Parameters
    ----------
    dimension
        Of the rows, d.
    size
        Height and width of a picture, in pixels.
    patch
        Pixels of patch x patch become channels of one place, which makes a step patch^2 times cheaper.
    channels
        Widths of the U-Net from fine to coarse, multiples of 8; each step halves the picture.
    layers
        Residual blocks a width.
    seed
        Of the weights.

    Raises
    ------
    ValueError
        If a size is out of range, or ``size`` cannot be halved as often as there are widths.
    MissingExtraError
        If diffusers is not installed.

    Notes
    -----
    ``forward`` draws nothing: noise, times and dropped conditions come with the pictures (``PreparedPictures``), and
    ``generate`` draws from the seed of ``Sampling``. There is no attention: at a dozen places a side convolutions reach
    across the picture. Cost: nearly all of a step is convolutions; 70 ms for 32 pictures of 24 x 24 with the default
    widths on one core in bfloat16, 1.4 times that in float32.

    References
    ----------
    Lipman et al., *Flow Matching for Generative Modeling*, ICLR 2023, arXiv 2210.02747; Liu et al., *Rectified Flow*,
    ICLR 2023, arXiv 2209.03003; Karras et al., *Elucidating the Design Space of Diffusion-Based Generative Models*,
    NeurIPS 2022, arXiv 2206.00364, for the factors; Ho and Salimans, *Classifier-Free Diffusion Guidance*, arXiv
    2207.12598.

    Examples
    --------
    >>> flow = PictureFlow(4, size=8, channels=(8, 8))
    >>> flow.generate(np.ones((2, 4), np.float32), Sampling(steps=2)).shape
    (2, 3, 8, 8)
    """

    def __init__(
        self,
        dimension: int,
        *,
        size: int = 32,
        patch: int = 2,
        channels: Sequence[int] = (32, 64, 64),
        layers: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check(dimension, size, patch, channels, layers, seed)
        self.dimension, self.size, self.patch = dimension, size, patch
        self.settings: dict[str, Any] = {
            "dimension": dimension,
            "size": size,
            "patch": patch,
            "channels": list(channels),
            "layers": layers,
            "seed": seed,
        }
        unet = _unet_class()
        depth, width = 3 * patch**2, 4 * channels[0]

        def build() -> nn.Module:
            return nn.ModuleDict(
                {
                    "condition": nn.Sequential(nn.Linear(dimension, width), nn.SiLU(), nn.Linear(width, width)),
                    "unet": unet(
                        sample_size=size // patch,
                        in_channels=depth,
                        out_channels=depth,
                        layers_per_block=layers,
                        block_out_channels=tuple(channels),
                        down_block_types=("DownBlock2D",) * len(channels),
                        up_block_types=("UpBlock2D",) * len(channels),
                        add_attention=False,
                        class_embed_type="identity",
                        norm_num_groups=_GROUPS,
                        resnet_time_scale_shift="scale_shift",
                    ),
                }
            )

        parts: Any = initialised(build, generator=torch.Generator().manual_seed(seed))
        self.condition, self.unet = parts["condition"], parts["unet"]
        self.without = nn.Parameter(torch.zeros(width))
        nn.init.zeros_(self.unet.conv_out.weight)  # the first guess is the mean, not noise

    def forward(self, rows: Tensor, drawn: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the predicted and the true velocity (B, 3, size, size).

        Parameters
        ----------
        rows
            Prepared rows (B, d).
        drawn
            What ``PreparedPictures`` gives: "picture", bytes or in [-1, 1], and "noise" (B, 3, size, size); "time" in
            [0, 1] and "dropped" (B,).
        """
        picture, noise, time = _scaled(drawn["picture"], drawn["noise"].dtype), drawn["noise"], drawn["time"]
        share = time[:, None, None, None]
        x = (1 - share) * noise + share * picture
        return self.velocity(x, time, self.conditions(rows, drawn["dropped"])), picture - noise

    def conditions(self, rows: Tensor, dropped: Tensor | None = None) -> Tensor:
        """Return what the U-Net takes of rows (B, d) of length 1; ``dropped`` (B,) says which have none."""
        found = self.condition(rows * self.dimension**0.5)
        return found if dropped is None else torch.where(dropped[:, None], self.without.to(found.dtype), found)

    def velocity(self, x: Tensor, time: Tensor, conditions: Tensor) -> Tensor:
        """Return v(x, t, c) for pictures x (B, 3, size, size) and times (B,) in [0, 1]."""
        t = time[:, None, None, None]
        square = (1 - t) ** 2 + (t * _SPREAD) ** 2
        places = nn.functional.pixel_unshuffle(x / square.sqrt(), self.patch)
        (found,) = self.unet(places, 1000 * time, class_labels=conditions, return_dict=False)
        rest = nn.functional.pixel_shuffle(found, self.patch)
        return (t * _SPREAD**2 - (1 - t)) / square * x + _SPREAD / square.sqrt() * rest

    def generate(self, rows: Any, sampling: Sampling | None = None) -> np.ndarray:
        """Make a picture for each prepared row (n, d).

        Parameters
        ----------
        rows
            Prepared rows, of whatever modality.
        sampling
            How to follow the velocity; see ``Sampling``.

        Returns
        -------
        uint8 (n, 3, size, size): red, green and blue. Row i starts from the noise of (seed, i), whatever else is asked.

        Raises
        ------
        ValueError
            If the rows have another dimension or are not finite.
        """
        how = Sampling() if sampling is None else sampling
        given = np.asarray(rows, dtype=np.float32)
        if given.ndim != 2 or given.shape[1] != self.dimension:
            raise ValueError(
                f"rows must have shape (n, {self.dimension}), as the flow was built for, but it is {given.shape}; give "
                f"rows of the same preparation."
            )
        if not np.isfinite(given).all():
            raise ValueError("rows must hold finite numbers, but they hold NaN or infinity; leave such rows out.")
        self.eval()
        device = self.without.device
        made = []
        with torch.inference_mode():
            for start in range(0, len(given), _BLOCK):
                block = torch.from_numpy(given[start : start + _BLOCK]).to(device)
                noise = torch.from_numpy(self._noise(start, len(block), how.seed)).to(device)
                made.append(integrate(self, noise, block, how).cpu())
        pictures = torch.cat(made) if made else torch.zeros(0, 3, self.size, self.size)
        return ((pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()

    def _noise(self, start: int, count: int, seed: int) -> np.ndarray:
        shape = (3, self.size, self.size)
        draws = [np.random.default_rng((seed, _STREAM, start + place)) for place in range(count)]
        return np.stack([one.standard_normal(shape, dtype=np.float32) for one in draws])


def flow_loss(velocity: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of the velocity.

    Formula::

        L = mean (v(x_t, t, c) - (x_1 - x_0))^2

    How to read it: with pictures in [-1, 1] it is about 1 + the mean square of a pixel before training. It does not
    reach 0, since many pictures and noises lead through one x_t. A lower loss is not a better condition: compare
    generated pictures.

    Parameters
    ----------
    velocity, wanted
        Both (B, 3, height, width).

    References
    ----------
    Lipman et al., *Flow Matching for Generative Modeling*, ICLR 2023, arXiv 2210.02747, equation 9.

    Examples
    --------
    >>> import torch
    >>> flow_loss(torch.zeros(1, 3, 2, 2), 2 * torch.ones(1, 3, 2, 2)).item()
    4.0
    """
    return nn.functional.mse_loss(velocity.float(), wanted.float())


def _scaled(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    return pictures.to(dtype) / 127.5 - 1 if pictures.dtype == torch.uint8 else pictures


def _unet_class() -> Any:
    try:
        from diffusers.models.unets.unet_2d import UNet2DModel
    except ImportError:
        raise MissingExtraError(
            "diffusers is not installed; install it with crossgap: pip install 'crossgap[pictures]'."
        ) from None
    return UNet2DModel


def _check(dimension: int, size: int, patch: int, channels: Sequence[int], layers: int, seed: int) -> None:
    for name, count, least in (
        ("dimension", dimension, 1),
        ("size", size, 1),
        ("patch", patch, 1),
        ("layers", layers, 1),
        ("seed", seed, 0),
    ):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, but it is {count!r}; change it.")
    if not channels or any(not isinstance(width, int) or width < 1 or width % _GROUPS for width in channels):
        raise ValueError(
            f"channels must be multiples of {_GROUPS}, but they are {channels!r}; give for example 32, 64."
        )
    step = patch * 2 ** (len(channels) - 1)
    if size % step:
        raise ValueError(
            f"size must be a multiple of {step} (patch {patch}, {len(channels)} widths), but it is {size}; change it "
            f"or give fewer channels."
        )
