"""E12 in seconds: attributes learned from one modality's embeddings and read from the other's, for the four arms."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from crossgap.close import estimate_noise
from crossgap.data.embeddings import Embeddings
from crossgap.data.synthetic import two_cone_latents
from crossgap.losses.clip import clip_loss
from crossgap.measure import centroid_distance
from crossgap.reproduce.linear_heads import TEST_PAIRS, TRAINING_PAIRS, Loss, World, synthetic_worlds, train_heads
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, lower
from crossgap.train.optimisers import adamw
from crossgap.train.run import TrainingRun
from crossgap.transfer.attribute_head import AttributeHead, attribute_loss
from crossgap.transfer.preparation import ARMS, Preparation
from crossgap.transfer.prepared_attributes import PreparedAttributes

__all__ = ["SIGMAS", "AttributeWorld", "attribute_worlds", "run"]

SIGMAS = (0.03, 0.0625, 0.1265)
_DIMENSION, _LOGIT_SCALE = 64, 100.0
_HIDDEN, _EPOCHS, _BATCH_SIZE, _LEARNING_RATE = 256, 30, 64, 1e-3
_NOISY = ("C2_2", "C3")
_COLUMNS = ("accuracy", "accuracy/same", "sigma", "centroid_distance", "residual_deviation")
_HEADINGS = {
    "accuracy": "accuracy, other modality",
    "accuracy/same": "same modality",
    "residual_deviation": "deviation of residuals",
}
_TOY, _PAPER = "toy range", "Zhang 2024"
_SOURCES = {
    _TOY: (
        "what an earlier, independent implementation found on four worlds of the same generator, two decoders each; "
        "for one sigma, on one other world with three decoders (shown, not judged)."
    ),
    _PAPER: "arXiv 2401.08567: neither step < either step < both.",
}
_BANDS = {"C1": (0.764, 0.783), "C2_1": (0.813, 0.822), "C2_2": (0.773, 0.796), "C3": (0.823, 0.828)}
_PROFILE = {("C2_2", 0.03): 0.763, ("C2_2", 0.0625): 0.778, ("C2_2", 0.1265): 0.788} | {
    ("C3", 0.03): 0.827,
    ("C3", 0.0625): 0.830,
    ("C3", 0.1265): 0.819,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributeWorld:
    """Embeddings of two modalities of the same things, and which attributes each thing has.

    Parameters
    ----------
    image, text
        Training rows (n, d).
    attributes
        Of the training things, (n, k) of 0 and 1.
    image_test, text_test, attributes_test
        The same of things that neither heads nor decoder see.
    """

    image: np.ndarray
    text: np.ndarray
    attributes: np.ndarray
    image_test: np.ndarray
    text_test: np.ndarray
    attributes_test: np.ndarray


def attribute_worlds(count: int, *, seed: int = 0) -> Iterator[AttributeWorld]:
    """Yield worlds of the two-cone generator, seen through a dual encoder trained with the CLIP loss at d = 64.

    How to read it: an attribute is whether a coordinate of the latent vector is above 0: what both modalities show.

    Parameters
    ----------
    count
        Number of worlds.
    seed
        Of the first; world w has seed ``seed + w``, for the generator and for the heads.
    """
    loss = Loss(function=clip_loss, logit_scale=_LOGIT_SCALE)
    for number, world in enumerate(synthetic_worlds(count, seed=seed)):
        attributes = (two_cone_latents(TRAINING_PAIRS + TEST_PAIRS, seed=seed + number) > 0).astype(np.float32)
        yield _embedded(world, attributes, loss, seed=seed + number)


def _embedded(world: World, attributes: np.ndarray, loss: Loss, *, seed: int) -> AttributeWorld:
    model = train_heads(world, loss, d=_DIMENSION, seed=seed)
    n = len(world.x)
    with torch.no_grad():
        return AttributeWorld(
            image=model.encode_x(world.x).numpy(),
            text=model.encode_y(world.y).numpy(),
            attributes=attributes[:n],
            image_test=model.encode_x(world.x_test).numpy(),
            text_test=model.encode_y(world.y_test).numpy(),
            attributes_test=attributes[n:],
        )


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    worlds: int = 4,
    decoders: int = 2,
    sigmas: Sequence[float] = SIGMAS,
) -> Table:
    """Train a decoder of attributes on text embeddings for each arm, and use it on image embeddings.

    How to read it: accuracy is the share of the attributes of unseen things that are told rightly; 0.5 is chance. The
    rows without a sigma stand for the arms, with the sigma that served best on half of the unseen things and the
    accuracy on the other half. The gap of these worlds is a pure offset, so collapse does more than noise here, unlike
    in the paper; that no step < one step < both is what this table checks.

    Parameters
    ----------
    scale
        "small" only: the full protocol is that of ``caption_transfer``.
    seed
        Of the first world; decoder number k has seed ``seed + k``.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each training of a decoder.
    worlds, decoders
        Numbers of worlds, and of decoders for each.
    sigmas
        Deviations of the noise to choose from.
    epochs
        Of the decoder.

    Returns
    -------
    One row for each arm, and one for each arm with noise and each sigma.

    Raises
    ------
    ValueError
        If ``scale`` is another, a count is below 1 or a sigma is not above 0.

    Notes
    -----
    Protocol: linear heads on the two-cone generator, 2,000 pairs, d = 64, scale 100. The decoder is a network of one
    hidden layer (64, 256, 24), trained on the 2,000 text rows for 30 epochs (batches of 64, AdamW, learning rate 1e-3)
    with fresh noise each epoch. The means are those of the training rows. Of 1,000 other things, 500 choose sigma for
    each world, and 500 are reported. 64 trainings, about two minutes on one core.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, table 2.
    """
    if scale != "small":
        raise ValueError(
            f"scale must be 'small', but it is {scale!r}; the protocol of the paper is caption_transfer's full scale."
        )
    check_counts(worlds=worlds, decoders=decoders)
    if not sigmas or any(not sigma > 0 for sigma in sigmas):
        raise ValueError(f"sigmas must be above 0, but they are {list(sigmas)}; give for example {list(SIGMAS)}.")
    trials = [(arm, sigma) for arm in ARMS for sigma in (sigmas if arm in _NOISY else (0.0,))]
    measured: dict[tuple[str, float | None], list[Mapping[str, float]]] = {}
    total, done = worlds * decoders * len(trials), 0
    for world in attribute_worlds(worlds, seed=seed):
        facts = _facts(world)
        found: dict[tuple[str, float], list[dict[str, float]]] = {}
        for arm, sigma in trials:
            for decoder in range(decoders):
                result = _trained(world, arm, sigma, seed=seed + decoder)
                found.setdefault((arm, sigma), []).append(result)
                done += 1
                if progress is not None:
                    progress(done, total, f"{arm}, sigma {sigma:g}")
        for arm in ARMS:
            chosen = max((s for a, s in trials if a == arm), key=lambda s: _mean(found[arm, s], "chosen_by"))
            measured.setdefault((arm, None), []).extend(
                {**facts, "accuracy": one["accuracy"], "accuracy/same": one["accuracy/same"], "sigma": chosen}
                for one in found[arm, chosen]
            )
        for (arm, sigma), several in found.items():
            if arm in _NOISY:
                measured.setdefault((arm, sigma), []).extend(
                    {**facts, "accuracy": one["accuracy/all"], "accuracy/same": one["accuracy/same/all"]}
                    for one in several
                )
    rows = tuple(_row(arm, sigma, several) for (arm, sigma), several in _in_order(measured, trials))
    table = Table(
        name="attribute_transfer",
        title=f"Attributes learned from text, read from images: {worlds} worlds, {decoders} decoders each",
        columns=_COLUMNS,
        rows=rows,
        sources=_SOURCES,
        orderings=tuple(_orderings(rows, worlds, decoders, sigmas)),
        settings={"scale": scale, "seed": seed, "worlds": worlds, "decoders": decoders, "sigmas": list(sigmas)}
        | {"d": _DIMENSION, "logit_scale": _LOGIT_SCALE, "hidden": _HIDDEN, "epochs": _EPOCHS}
        | {"batch_size": _BATCH_SIZE, "learning_rate": _LEARNING_RATE},
        notes=(
            "Rows with 'chosen' are of 500 things that had no part in the choice of sigma; the others of all 1,000.",
        ),
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


def _in_order(
    measured: Mapping[tuple[str, float | None], list[Mapping[str, float]]], trials: Sequence[tuple[str, float]]
) -> Iterator[tuple[tuple[str, float | None], list[Mapping[str, float]]]]:
    for arm in ARMS:
        yield (arm, None), measured[arm, None]
    for arm, sigma in trials:
        if arm in _NOISY:
            yield (arm, sigma), measured[arm, sigma]


def _row(arm: str, sigma: float | None, several: Sequence[Mapping[str, float]]) -> Row:
    references = {}
    if sigma is None:
        references[_TOY] = {"accuracy": Reference.band(*_BANDS[arm], rounded_to=0.001)}
    elif (arm, sigma) in _PROFILE:
        references[_TOY] = {"accuracy": Reference.published(_PROFILE[arm, sigma])}
    return Row(
        condition={"arm": arm, "noise": "chosen" if sigma is None else f"{sigma:g}"},
        measured={name: tuple(one[name] for one in several) for name in _COLUMNS if name in several[0]},
        references=references,
    )


def _orderings(rows: Sequence[Row], worlds: int, decoders: int, sigmas: Sequence[float]) -> Iterator[Ordering]:
    at = {(row.condition["arm"], row.condition["noise"]): row for row in rows}

    def of(arm: str, world: int) -> float:
        values = at[arm, "chosen"].measured["accuracy"][world * decoders : (world + 1) * decoders]
        return float(np.mean(values))

    for few, many in (("C1", "C2_1"), ("C1", "C2_2"), ("C2_1", "C3"), ("C2_2", "C3")):
        pairs = {f"world {world + 1}": (of(few, world), of(many, world)) for world in range(worlds)}
        yield lower(f"{few} is below {many} in each world", _PAPER, pairs)
    for arm in _NOISY:
        pairs = {
            f"sigma {wide:g} against {narrow:g}": (
                at[arm, f"{wide:g}"].middle("accuracy/same"),
                at[arm, f"{narrow:g}"].middle("accuracy/same"),
            )
            for narrow, wide in itertools.pairwise(sorted(sigmas))
        }
        if pairs:
            yield lower(f"{arm}: accuracy within the modality falls as sigma grows", _PAPER, pairs)


def _facts(world: AttributeWorld) -> dict[str, float]:
    noise = estimate_noise(world.image, partners=world.text)
    return {
        "centroid_distance": float(centroid_distance(world.image, world.text)),
        "residual_deviation": float(np.sqrt(noise.variance)),
    }


def _mean(several: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([one[name] for one in several]))


def _trained(world: AttributeWorld, arm: Any, sigma: float, *, seed: int) -> dict[str, float]:
    """Train one decoder on text, and return its accuracies: on the rows that choose, on those reported, and on all."""
    embeddings = Embeddings.from_arrays(image=world.image, text=world.text)
    preparation = Preparation.fit(embeddings, arm=arm, variance=sigma**2, seed=seed)
    names = [f"attribute {number}" for number in range(world.attributes.shape[1])]
    head = AttributeHead(names, dimension=preparation.dimension, hidden=_HIDDEN, seed=seed)
    run = TrainingRun(
        head,
        attribute_loss,
        PreparedAttributes(world.text, world.attributes, preparation),
        optimiser=adamw(head, learning_rate=_LEARNING_RATE, weight_decay=0.01),
        batch_size=_BATCH_SIZE,
        epochs=_EPOCHS,
        seed=seed,
    )
    for _ in run:
        pass
    half = len(world.image_test) // 2
    other, same = (
        _told_rightly(head, preparation.rows(rows, group), world.attributes_test)
        for rows, group in ((world.image_test, "image"), (world.text_test, "text"))
    )
    return {
        "chosen_by": float(other[:half].mean()),
        "accuracy": float(other[half:].mean()),
        "accuracy/same": float(same[half:].mean()),
        "accuracy/all": float(other.mean()),
        "accuracy/same/all": float(same.mean()),
    }


def _told_rightly(head: AttributeHead, rows: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the share of the attributes of each row that are told rightly."""
    return ((head.probabilities(rows).numpy() > 0.5) == (truth > 0.5)).mean(axis=1)
