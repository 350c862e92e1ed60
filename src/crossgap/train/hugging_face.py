"""Dual encoders of Hugging Face transformers, whole or with new projections, read from a local folder only."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from crossgap.errors import FormatError, MissingExtraError
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.towers import linear_tower

__all__ = ["HuggingFaceTower", "hugging_face_dual_encoder"]

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_PICTURE, _SOUND, _TEXT = "get_image_features", "get_audio_features", "get_text_features"
_PROJECTIONS = {_PICTURE: "visual_projection", _SOUND: "audio_projection", _TEXT: "text_projection"}


class HuggingFaceTower(nn.Module):
    """One side of a dual encoder of transformers.

    Parameters
    ----------
    model
        The model, of which the tower keeps this side's parts alone; their weights are shared with it.
    features
        Name of the method that gives this side's vectors: "get_image_features", "get_text_features",
        "get_audio_features".
    projection_dimension
        Dimension of a new projection without bias, which replaces the model's own or, where it has none, stands behind
        its output. None keeps what there is.
    frozen
        Train the projection only; the rest then takes no gradient and stays in evaluation mode.
    text_padding
        Id of tokens that are not attended to, where token ids come as one tensor; None: all are.
    pixel_mean, pixel_std
        Subtracted from and divided into pixels that come as bytes, after they are brought to [0, 1].
    generator
        Source of the new projection's weights.

    Notes
    -----
    A mapping as input is handed on as keywords (``input_ids``, ``attention_mask``, ...), a tensor as the method's first
    argument. Pixels of type uint8 are scaled here, so that a data set can keep bytes.

    Examples
    --------
    See ``hugging_face_dual_encoder``.
    """

    def __init__(
        self,
        model: Any,
        features: str,
        *,
        projection_dimension: int | None = None,
        frozen: bool = False,
        text_padding: int | None = None,
        pixel_mean: tuple[float, ...] = _CLIP_MEAN,
        pixel_std: tuple[float, ...] = _CLIP_STD,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.features, self.frozen, self.text_padding = features, frozen, text_padding
        self.model = _side(model, features)
        self.projection: nn.Module | None = None  # behind a model that has none itself
        name = _PROJECTIONS[features]
        own = getattr(self.model, name, None)
        if projection_dimension is not None:
            width = _output_dimension(model, features) if own is None else _input_dimension(own)
            fresh = linear_tower(width, projection_dimension, generator=generator or torch.Generator().manual_seed(0))
            if own is None:
                self.projection = fresh
            else:
                self.model._modules[name] = fresh
        trained = self._last_layer()
        if frozen and trained is None:
            raise ValueError(
                f"a {type(model).__name__} has no projection of its own on the side of {features}, so there is nothing "
                f"to train with trainable='projections'; give projection_dimension, or trainable='all'."
            )
        if frozen and trained is not None:
            self.model.requires_grad_(False)
            trained.requires_grad_(True)
        shape = (1, len(pixel_mean), 1, 1)
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).reshape(shape), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).reshape(shape), persistent=False)

    def forward(self, inputs: Any) -> Tensor:
        """Return one vector an item (B, d), not yet of length 1."""
        method = getattr(self.model, self.features)
        if isinstance(inputs, Mapping):
            found = method(**inputs)
        elif inputs.dtype == torch.uint8:
            found = method((inputs / 255 - self.pixel_mean) / self.pixel_std)
        elif self.features == _TEXT and self.text_padding is not None:
            found = method(inputs, attention_mask=(inputs != self.text_padding).long())
        else:
            found = method(inputs)
        rows = found if isinstance(found, Tensor) else found.pooler_output
        return rows if self.projection is None else self.projection(rows)

    def train(self, mode: bool = True) -> "HuggingFaceTower":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        trained = self._last_layer()
        if self.frozen and trained is not None:
            self.model.eval()
            trained.train(mode)
        return self

    def _last_layer(self) -> nn.Module | None:
        own = getattr(self.model, _PROJECTIONS[self.features], None)
        return own if self.projection is None else self.projection


def hugging_face_dual_encoder(
    model: Any,
    *,
    projection_dimension: int | None = None,
    trainable: Literal["all", "projections"] = "all",
    logit_scale: LogitScale | None = None,
    text_padding: int | None = None,
    seed: int = 0,
) -> DualEncoder:
    """A dual encoder of transformers as a ``DualEncoder``, ready for ``TrainingRun``.

    Formula::

        x = P_x h_x(picture or sound),   y = P_y h_y(text);   a new P: entries ~ U(-1/sqrt(w), 1/sqrt(w)), no bias

    with w the width of what the projection takes.

    How to read it: x is the side of pictures (or sounds), y that of texts. With ``projection_dimension`` both
    projections start anew, as Fahim et al. do for every dimension, also for the one that the model had: what is left of
    the model's geometry is then in its towers alone.

    Parameters
    ----------
    model
        Local folder with ``config.json`` and safetensors weights, or a model of transformers that is loaded already;
        its weights are then trained in place. Models that work: CLIP, SigLIP, AltCLIP, ChineseCLIP, CLAP (sounds) and
        ``VisionTextDualEncoderModel``. Others work too if they have ``get_text_features`` and ``get_image_features`` or
        ``get_audio_features``.
    projection_dimension
        Dimension of the shared space, with both projections initialised anew; None keeps the model as it is.
    trainable
        "all" weights, or the "projections" only.
    logit_scale
        None starts from the model's own scale, learned, with a highest value of 100 or of the model's own if that is
        larger. Fahim et al. give ``LogitScale(100.0, learnable=False)``.
    text_padding
        Id of the padding token, for texts that come as one tensor of token ids and a model that needs a mask: AltCLIP,
        ChineseCLIP, CLAP, BERT-like towers. CLIP and SigLIP were trained without one.
    seed
        Of the new projections.

    Returns
    -------
    The model. ``encode_x`` takes pixels (B, 3, height, width) as bytes or as normalised floats, or sound features;
    ``encode_y`` token ids; both also a mapping of keywords. Weights are float32.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    FileNotFoundError
        If there is no such folder; nothing is downloaded.
    FormatError
        If the folder holds no safetensors weights, or they are damaged or not those of its config.
    TypeError
        If ``model`` is neither a folder nor such a model.
    ValueError
        If ``trainable`` is neither of the two, or the model has no projections to train.

    Notes
    -----
    Nothing is unpickled and no code of the folder is run. Pixels as bytes are scaled with the mean and standard
    deviation of the folder's ``preprocessor_config.json``, else with CLIP's. A new projection of CLAP is one matrix in
    place of its small network. CLAP's two scales become one, the geometric mean. Torch's global generator is left
    as it was, by reading a folder.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 4 (new projections of ViT-B/32: picture
    768 to d, text 512 to d).

    Examples
    --------
    A model of random weights, and new projections to three dimensions.

    >>> import torch
    >>> from transformers import CLIPConfig, CLIPModel
    >>> tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    >>> text, vision = {**tiny, "vocab_size": 20}, {**tiny, "image_size": 8, "patch_size": 4}
    >>> clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision))
    >>> model = hugging_face_dual_encoder(clip, projection_dimension=3)
    >>> x = model.encode_x(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    >>> y = model.encode_y(torch.tensor([[1, 2, 19], [3, 19, 0]]))
    >>> tuple(x.shape), tuple(y.shape), round(model.logit_scale().item(), 2)
    ((2, 3), (2, 3), 14.28)
    """
    if trainable not in ("all", "projections"):
        raise ValueError(f"trainable must be 'all' or 'projections', but it is {trainable!r}; choose one.")
    mean, std = _CLIP_MEAN, _CLIP_STD
    if isinstance(model, str | os.PathLike):
        mean, std = _pixel_statistics(Path(model))
        model = _read_model(Path(model))
    first = next((name for name in (_PICTURE, _SOUND) if hasattr(model, name)), None)
    if first is None or not hasattr(model, _TEXT):
        raise TypeError(
            f"model must be a folder or a dual encoder of transformers, but a {type(model).__name__} has no "
            f"get_text_features and get_image_features or get_audio_features; give a CLIPModel or the like."
        )
    generator = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {
        "projection_dimension": projection_dimension,
        "frozen": trainable == "projections",
        "generator": generator,
    }
    x_tower = HuggingFaceTower(model, first, pixel_mean=mean, pixel_std=std, **options)
    y_tower = HuggingFaceTower(model, _TEXT, text_padding=text_padding, **options)
    if logit_scale is None:
        logit_scale = _own_scale(model)
    bias = getattr(model, "logit_bias", None)
    return DualEncoder(x_tower, y_tower, logit_scale, logit_bias=None if bias is None else float(bias.detach()))


def _side(model: Any, features: str) -> Any:
    """Return the model without the parts of the other side, sharing those that are left."""
    text = features == _TEXT
    side = model.__class__.__new__(model.__class__)
    side.__dict__.update(model.__dict__)
    side._modules = {name: part for name, part in model._modules.items() if name.startswith("text") == text}
    side._parameters = {}  # logit scale and bias are those of the DualEncoder
    return side


def _input_dimension(projection: Any) -> int:
    layer = projection if isinstance(projection, nn.Linear) else next(iter(projection.children()))
    return layer.in_features


def _output_dimension(model: Any, features: str) -> int:
    side = {_PICTURE: "vision_config", _SOUND: "audio_config", _TEXT: "text_config"}[features]
    config = getattr(model.config, side)
    return getattr(config, "projection_size", None) or config.hidden_size


def _own_scale(model: Any) -> LogitScale:
    logs = [float(values.detach()) for name, values in model._parameters.items() if name.startswith("logit_scale")]
    if not logs:
        return LogitScale()
    scale = math.exp(sum(logs) / len(logs))
    return LogitScale(max(scale, 1.0), highest=max(scale, 100.0))


def _read_model(folder: Path) -> Any:
    shown = repr(str(folder))
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {shown}, and models are not downloaded; give the folder of a model that "
            f"was saved with save_pretrained or downloaded before."
        )
    if not (folder / "config.json").is_file():
        raise FormatError(f"{shown} holds no config.json; give the folder of one model of transformers.")
    if not any(folder.glob("*.safetensors")):
        raise FormatError(
            f"{shown} holds no .safetensors weights, and pickled ones are not read; save the model again with "
            f"save_pretrained(folder), in a place where its weights can be trusted."
        )
    try:
        from safetensors import SafetensorError
        from transformers import AutoModel
    except ImportError:
        raise MissingExtraError(
            "transformers is not installed; install it with crossgap: pip install 'crossgap[encode]'."
        ) from None
    state = torch.get_rng_state()
    try:
        model, report = AutoModel.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise FormatError(
            f"{shown} cannot be read as a model ({why.rstrip('.')}); save or download it again."
        ) from error
    finally:
        torch.set_rng_state(state)
    missing = sorted(report["missing_keys"])
    if missing:
        raise FormatError(
            f"{shown} lacks {len(missing)} of the weights of a {type(model).__name__}, {missing[0]!r} for one; "
            f"save or download it again."
        )
    return model


def _pixel_statistics(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return _CLIP_MEAN, _CLIP_STD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        mean = tuple(float(value) for value in found.get("image_mean", _CLIP_MEAN))
        std = tuple(float(value) for value in found.get("image_std", _CLIP_STD))
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{str(path)!r} is not a JSON object with lists image_mean and image_std ({error})."
        ) from None
    if len(mean) != len(std) or not all(value > 0 for value in std):
        raise FormatError(
            f"{str(path)!r} gives a mean of {len(mean)} and a standard deviation of {len(std)} numbers above 0; "
            f"each needs one number a colour."
        )
    return mean, std
