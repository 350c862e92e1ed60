"""E11: whether the gap is one constant vector at right angles to both modalities, with round Gaussian noise."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from crossgap import measure
from crossgap.data.embeddings import Embeddings
from crossgap.data.read import read
from crossgap.geometry.rows import materialise, unit_rows
from crossgap.reproduce.stored_pairs import stored_pairs
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, lower

__all__ = ["SECTIONS", "run"]

_GROUP = 100
_SINGLE = "single pairs"
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Is it constant?": (
        "group_length",
        "group_length_std",
        "consecutive_cosine",
        "consecutive_cosine_std",
        "residual_cosine",
        "residual_cosine_std",
        "residual_mean",
        "centroid_distance",
        "gap_energy_ratio",
        "gap_constancy",
        "gap_direction",
        "gap_direction_std",
        "pair_distance",
        "pair_distance_std",
    ),
    "Is it orthogonal?": (
        "difference_cosine/x",
        "difference_cosine_std/x",
        "difference_cosine/y",
        "difference_cosine_std/y",
        "gap_orthogonality/x",
        "gap_orthogonality/y",
        "reference_space",
        "reference_span/x",
        "reference_span/y",
        "gap_span_energy_10/x",
        "gap_span_energy_10/y",
        "reference_10",
        "gap_coordinate_share_2",
    ),
    "What is the noise like?": (
        "nu",
        "noise_norm",
        "norm_concentration",
        "mean_skew",
        "mean_excess_kurtosis",
        "normal_share",
        "noise_participation_ratio",
        "reference_participation_ratio",
        "top_over_mean",
    ),
    "How many dimensions?": (
        "effective_dimension/x",
        "effective_dimension/y",
        "effective_dimension_90/x",
        "effective_dimension_90/y",
        "participation_ratio/x",
        "participation_ratio/y",
        "entropy_rank/x",
        "entropy_rank/y",
    ),
}
"""The quantities by the question that they answer."""

_HEADINGS = {
    "group_length": "length",
    "group_length_std": "std",
    "consecutive_cosine": "cos of next",
    "consecutive_cosine_std": "std",
    "residual_cosine": "cos of residuals",
    "residual_cosine_std": "std",
    "residual_mean": "residual mean",
    "gap_energy_ratio": "energy ratio",
    "gap_constancy": "constancy",
    "gap_direction": "direction",
    "gap_direction_std": "std",
    "pair_distance": "pair distance",
    "pair_distance_std": "std",
    "difference_cosine/x": "mean cos x",
    "difference_cosine_std/x": "std",
    "difference_cosine/y": "mean cos y",
    "difference_cosine_std/y": "std",
    "gap_orthogonality/x": "rms cos x",
    "gap_orthogonality/y": "rms cos y",
    "reference_space": "1/√d",
    "reference_span/x": "1/√PR x",
    "reference_span/y": "1/√PR y",
    "gap_span_energy_10/x": "in top 10 of x",
    "gap_span_energy_10/y": "in top 10 of y",
    "reference_10": "10/d",
    "gap_coordinate_share_2": "in 2 coordinates",
    "noise_norm": "length of noise",
    "norm_concentration": "std/mean",
    "mean_skew": "skew",
    "mean_excess_kurtosis": "kurtosis",
    "normal_share": "normal",
    "noise_participation_ratio": "PR noise",
    "reference_participation_ratio": "PR round",
    "top_over_mean": "top/mean",
    "effective_dimension/x": "n99 x",
    "effective_dimension/y": "n99 y",
    "effective_dimension_90/x": "n90 x",
    "effective_dimension_90/y": "n90 y",
    "participation_ratio/x": "PR x",
    "participation_ratio/y": "PR y",
    "entropy_rank/x": "entropy x",
    "entropy_rank/y": "entropy y",
}
_PAPER = "Zhang 2024"
_STORED = "stored sample"
_SOURCES = {
    _PAPER: (
        "arXiv 2401.08567, proposition 1, table 1 (CLIP ViT-B/32 on 123,287 COCO pairs: other data than here, so its "
        "numbers are shown and not judged) and figure 3 (effective dimensions of a CLIP with random weights)."
    ),
    _STORED: (
        "what an earlier, independent implementation found on the file coco500_clip-vit-b16 (CLIP ViT-B/16, trained "
        "and with random weights, 500 COCO pairs); judged by half of the last printed digit, and by 0.01 where the "
        "shuffles are drawn."
    ),
}
_FILE = "coco500_clip-vit-b16"
_TRAINED, _RANDOM = "image:text", "image_random_init:text_random_init"
_TABLE_1 = {
    "group_length": Reference(value=0.83),
    "consecutive_cosine": Reference(value=0.99),
    "difference_cosine/x": Reference(value=0.0),
    "difference_cosine/y": Reference(value=0.0),
    "residual_cosine": Reference(value=0.0),
    "residual_mean": Reference(value=0.0),
}


def _printed(step: float, **values: float) -> dict[str, Reference]:
    return {
        name.replace("__", "/"): Reference.published(value, judged_by=step / 2 * 1.0001)
        for name, value in values.items()
    }


def _exactly(x: int, y: int) -> dict[str, Reference]:
    return {f"effective_dimension/{of}": Reference.band(n, n, n) for of, n in (("x", x), ("y", y))}


_KNOWN: dict[tuple[str, str], dict[str, Reference]] = {
    (_TRAINED, "groups of 100"): _printed(0.02, group_length=0.854, consecutive_cosine=0.991, residual_cosine=-0.006)
    | _printed(0.02, residual_cosine_std=0.103, difference_cosine__x=0.0001)
    | _printed(0.02, difference_cosine_std__x=0.069, difference_cosine_std__y=0.077),
    (_RANDOM, "groups of 100"): _printed(0.02, group_length=1.138, consecutive_cosine=0.995),
    (_TRAINED, _SINGLE): _printed(1e-5, centroid_distance=0.85135)
    | _printed(1e-4, gap_energy_ratio=0.5252, gap_constancy=0.5246, nu=0.0346)
    | _printed(1e-3, gap_span_energy_10__x=0.103, gap_span_energy_10__y=0.130, gap_coordinate_share_2=0.686)
    | _printed(1e-3, noise_norm=0.805)
    | _printed(0.1, noise_participation_ratio=77.9, top_over_mean=28.3)
    | _printed(0.01, mean_excess_kurtosis=0.08)
    | _printed(0.01, participation_ratio__x=42.70, participation_ratio__y=41.71)
    | _printed(0.01, entropy_rank__x=104.59, entropy_rank__y=96.93)
    | _exactly(296, 277),
    (_RANDOM, _SINGLE): _printed(1e-5, centroid_distance=1.13606)
    | _printed(1e-3, gap_energy_ratio=0.664)
    | _printed(0.01, participation_ratio__x=2.19, participation_ratio__y=48.40)
    | _printed(0.01, entropy_rank__x=3.44, entropy_rank__y=92.14),
}
_FIGURE_3 = _exactly(25, 230)


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    pairs: str | os.PathLike[str] | None = None,
    groups: Sequence[str] | None = None,
    shuffles: int = 20,
) -> Table:
    """Test proposition 1 of C3 on stored pairs: by its own protocol, pair by pair, and against what chance gives.

    How to read it: "groups of 100" is the paper's protocol, in which each gap is a mean over 100 pairs. "single pairs"
    is the same without the averaging, and the honest test: an energy ratio and a constancy of 1 would be a constant
    gap. The mean cosine of differences with the gap is 0 for any data, so look at its root mean square, beside 1/√d (a
    gap in any direction) and 1/√PR (a gap within the group's own span); and at the share of the gap in the first ten
    principal directions beside 10/d. Round Gaussian noise has skew and kurtosis 0 and the participation ratio "PR
    round" for this many pairs. n99 counts effective dimensions: few of them in an untrained encoder leave the rest
    idle.

    Parameters
    ----------
    scale
        "small": the packaged sample or ``pairs``; "full": ``pairs`` must be given.
    seed
        Of the shuffles.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each pair of groups.
    pairs
        File of paired vectors.
    groups
        Which of its groups make pairs: ``["image:text", "image:sound"]``; without it the first two.
    shuffles
        Random orders of the pairs in the paper's protocol.

    Returns
    -------
    Two rows for each pair of groups; one where there are fewer than 200 pairs, which do not fill two groups of 100.

    Raises
    ------
    ValueError
        If ``scale`` is neither of the two, an entry of ``groups`` is not two different names with a colon between them,
        or a file is missing at the full scale.
    DegenerateError
        If nothing pairs.

    Notes
    -----
    Cost: seconds for 500 pairs. Every number is a function of ``crossgap.measure``. "PR round" is n d / (n + d), what
    n draws of a round Gaussian in d dimensions show on average for large n and d.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, proposition 1, table 1, figure 3.
    """
    check_counts(shuffles=shuffles)
    wanted = [None] if groups is None else [_two_names(entry) for entry in groups]
    rows: list[Row] = []
    names: list[str] = []
    data = ""
    for number, two in enumerate(wanted):
        data, found = _read_pairs(pairs, scale, two)
        name = ":".join(found)
        known = PurePath(data).stem == _FILE
        rows.extend(_pair_rows(name, found, shuffles, seed, known=known))
        names.append(name)
        if progress is not None:
            progress(number + 1, len(wanted), name)
    table = Table(
        name="constant_gap",
        title=f"Is the gap one constant vector? {data}: {', '.join(names)}",
        columns=tuple(quantity for section in SECTIONS.values() for quantity in section),
        rows=tuple(rows),
        sources=_SOURCES,
        orderings=tuple(claim for name in names for claim in _orderings(name, rows)),
        settings={"scale": scale, "seed": seed, "data": data, "groups": names, "shuffles": shuffles},
        notes=tuple(
            f"{name}: the paper's protocol is left out, since there are fewer pairs than two groups of {_GROUP} need."
            for name in names
            if not _rows_of(name, rows, f"groups of {_GROUP}")
        ),
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


def _read_pairs(
    pairs: str | os.PathLike[str] | None, scale: str, two: tuple[str, str] | None
) -> tuple[str, Embeddings]:
    """Read two groups; other groups of the file may have another dimension."""
    if pairs is None or two is None or scale not in ("small", "full"):
        x, y = (None, None) if two is None else two
        return stored_pairs(pairs, scale=scale, x=x, y=y)
    found = read(pairs, groups=two)
    found.pairs(*two)  # says why, where nothing pairs
    return os.path.basename(os.fspath(pairs)), found


def _two_names(entry: str) -> tuple[str, str]:
    x, colon, y = (part.strip() for part in entry.partition(":"))
    if not (x and colon and y) or x == y:
        raise ValueError(
            f"groups must be a list of two different names with a colon between them, but one is {entry!r}; write "
            f"groups=['image:text']."
        )
    return x, y


def _pair_rows(name: str, found: Embeddings, shuffles: int, seed: int, *, known: bool) -> Iterator[Row]:
    aligned = found.pairs(*found)
    x, y = (unit_rows(np.asarray(materialise(rows)).astype(np.float64)) for rows in (aligned.x, aligned.y))
    n = len(x)
    for protocol, size in ((f"groups of {_GROUP}", _GROUP), (_SINGLE, 1)):
        if n < 2 * size:
            continue
        measured = _by_protocol(x, y, size, shuffles, seed)
        if size == 1:
            measured |= {**_by_pair(x, y), **_orthogonality(x, y), **_noise(x, y, seed), **_dimensions(x, y)}
        references: dict[str, Mapping[str, Reference]] = {}
        if size == _GROUP:
            references[_PAPER] = _TABLE_1
        if known and size == 1 and name == _RANDOM:
            references[_PAPER] = _FIGURE_3
        if known and (name, protocol) in _KNOWN:
            references[_STORED] = _KNOWN[name, protocol]
        yield Row(
            condition={"pairs": name, "n": n, "by": protocol},
            measured={quantity: (float(value),) for quantity, value in measured.items()},
            references=references,
        )


def _by_protocol(x: np.ndarray, y: np.ndarray, size: int, shuffles: int, seed: int) -> dict[str, Any]:
    found = measure.gap_groups(x, y, group_size=size, n_shuffles=shuffles, seed=seed)
    return {
        "group_length": found.group_length_mean,
        "group_length_std": found.group_length_std,
        "consecutive_cosine": found.consecutive_cosine_mean,
        "consecutive_cosine_std": found.consecutive_cosine_std,
        "residual_cosine": found.residual_direction_mean,
        "residual_cosine_std": found.residual_direction_std,
        "residual_mean": found.residual_coordinate_mean,
        "difference_cosine/x": found.orthogonality_x_mean,
        "difference_cosine_std/x": found.orthogonality_x_std,
        "difference_cosine/y": found.orthogonality_y_mean,
        "difference_cosine_std/y": found.orthogonality_y_std,
    }


def _by_pair(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    directions = measure.gap_direction_per_pair(x, y)
    lengths = measure.alignment_per_pair(x, y, power=1.0)
    return {
        "centroid_distance": measure.centroid_distance(x, y),
        "gap_energy_ratio": measure.gap_energy_ratio(x, y),
        "gap_constancy": measure.gap_constancy(x, y),
        "gap_direction": measure.gap_direction(x, y),
        "gap_direction_std": directions.std(),
        "pair_distance": lengths.mean(),
        "pair_distance_std": lengths.std(),
    }


def _orthogonality(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {"reference_space": measure.gap_orthogonality_reference(x, y)}
    for of in ("x", "y"):
        found[f"gap_orthogonality/{of}"] = measure.gap_orthogonality(x, y, of=of)
        found[f"reference_span/{of}"] = measure.gap_orthogonality_reference(x, y, of=of, within="span")
        found[f"gap_span_energy_10/{of}"] = measure.gap_span_energy(x, y, of=of)
    found["reference_10"] = measure.gap_span_energy_reference(x, y)
    found["gap_coordinate_share_2"] = measure.gap_coordinate_share(x, y, coordinates=min(2, x.shape[1]))
    return found


def _noise(x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, Any]:
    found = measure.alignment_noise_profile(x, y, seed=seed)
    return {
        "nu": found.nu,
        "noise_norm": found.norm_mean,
        "norm_concentration": found.norm_concentration,
        "mean_skew": found.mean_skew,
        "mean_excess_kurtosis": found.mean_excess_kurtosis,
        "normal_share": found.normal_share,
        "noise_participation_ratio": found.participation_ratio,
        "reference_participation_ratio": found.pairs * found.dimension / (found.pairs + found.dimension),
        "top_over_mean": found.top_over_mean,
    }


def _dimensions(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for of, rows in (("x", x), ("y", y)):
        found[f"effective_dimension/{of}"] = measure.effective_dimension(rows)
        found[f"effective_dimension_90/{of}"] = measure.effective_dimension(rows, quantile=0.9)
        found[f"participation_ratio/{of}"] = measure.participation_ratio(rows)
        found[f"entropy_rank/{of}"] = measure.entropy_rank(rows)
    return found


def _rows_of(name: str, rows: Sequence[Row], protocol: str) -> list[Row]:
    return [row for row in rows if row.condition["pairs"] == name and row.condition["by"] == protocol]


def _orderings(name: str, rows: Sequence[Row]) -> Iterator[Ordering]:
    for protocol in (f"groups of {_GROUP}", _SINGLE):
        for row in _rows_of(name, rows, protocol):
            yield lower(
                f"{name}, {protocol}: the gap has one direction (cosine of one with the next above 0.98)",
                _PAPER,
                {"cosine": (0.98, row.middle("consecutive_cosine"))},
            )
    (row,) = _rows_of(name, rows, _SINGLE)
    yield lower(
        f"{name}: the gap is at right angles to each group, no nearer to its differences than a random direction",
        _PAPER,
        {of: (row.middle(f"gap_orthogonality/{of}"), row.middle("reference_space")) for of in ("x", "y")},
    )
    yield lower(
        f"{name}: the gap has no more in the ten first directions of a group than a random direction has",
        _PAPER,
        {of: (row.middle(f"gap_span_energy_10/{of}"), row.middle("reference_10")) for of in ("x", "y")},
    )
    skew, kurtosis = (abs(row.middle(quantity)) for quantity in ("mean_skew", "mean_excess_kurtosis"))
    yield lower(
        f"{name}: the noise is Gaussian coordinate by coordinate (mean skew and excess kurtosis below 0.2)",
        _PAPER,
        {"skew": (skew, 0.2), "kurtosis": (kurtosis, 0.2)},
    )
    yield lower(
        f"{name}: the noise is equal in all directions (participation ratio above 0.9 of that of a round Gaussian)",
        _PAPER,
        {"PR": (0.9 * row.middle("reference_participation_ratio"), row.middle("noise_participation_ratio"))},
    )
