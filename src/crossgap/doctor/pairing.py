"""Whether matched rows belong together: better than chance, all along, and in the order given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crossgap.data.embeddings import Embeddings, Group, ItemCodes
from crossgap.doctor.finding import Finding, plural
from crossgap.doctor.orders import Order, counted, repeats, row_orders, shifted, sketch, sorted_orders
from crossgap.doctor.survey import Survey, unit_sample
from crossgap.geometry.ranks import match_ranks

__all__ = ["check_pairing"]

_SAMPLE = 1000
_LEAST_PAIRS = 10
_SURE_PAIRS = 100  # with fewer, weak but real pairs (a protein model on 99: z = 2.3) look like chance
_CHANCE_Z = 4.0  # of 240 shuffles of real pairs none passes 3.5; CLIP gives 5.8 from 10 pairs on, and 79 on 500
_RESTORED_Z = 6.0  # the best of all shifts of shuffled real pairs stays below 4.5
_WEAK = 0.6  # chance is 0.5; the weakest trained pairs at hand above chance (radiology) have 0.76
_SEGMENTS = 10
_ONE_TOWER = 0.999


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sample:
    """A sample of pairs, one for each item, and the scale on which one pair's agreement is measured.

    The agreement of a pair is the product of its centred unit rows over the root mean square of those of all unmatched
    pairs; so if nothing pairs, the sum over n pairs has variance n (Hoeffding 1951, the combinatorial limit theorem).
    """

    x_centre: np.ndarray
    y_centre: np.ndarray
    spread: float
    agreement: np.ndarray
    places: np.ndarray
    matched: float
    unmatched: float
    ahead: float
    first_share: float

    @property
    def z(self) -> float:
        return _z(self.agreement)

    def agreement_of(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the agreement of other pairs on this scale."""
        if self.spread == 0:
            return np.zeros(len(x))
        return np.einsum("ij,ij->i", x - self.x_centre, y - self.y_centre) / self.spread


def check_pairing(
    names: tuple[str, str], groups: tuple[Group, Group], surveys: tuple[Survey, Survey], seed: int
) -> Iterator[Finding]:
    """Find groups that do not pair, pair in part, or pair wrongly."""
    codes = _item_codes(names, groups)
    if codes.reason is not None:
        yield _unpaired(names, groups, surveys, codes.reason, seed)
        return
    x_rows, y_rows = _one_match_an_item(codes)
    yield from _partners(names, groups, codes)
    keep = surveys[0].usable[x_rows] & surveys[1].usable[y_rows]
    x_rows, y_rows = x_rows[keep], y_rows[keep]
    if surveys[0].d != surveys[1].d or len(x_rows) < _LEAST_PAIRS:
        return
    sample = _sampled(groups, x_rows, y_rows, seed)
    if sample.matched > _ONE_TOWER > sample.unmatched:
        yield _one_tower(names, sample)
    elif sample.z < _CHANCE_Z:
        yield _at_chance(names, groups, x_rows, y_rows, sample, seed)
    else:
        broken = _broken_run(sample)
        if broken is not None:
            yield _partly_at_chance(names, groups, x_rows, y_rows, sample, broken, seed)
        elif sample.ahead < _WEAK:
            yield _weak(names, sample, len(x_rows))


def _item_codes(names: tuple[str, str], groups: tuple[Group, Group]) -> ItemCodes:
    """Ask ``Embeddings`` which rows are the same item, with one number for each vector: the rows may yet be faulty."""
    bare = {
        name: Group(vectors=np.broadcast_to(np.float32(1), (len(group), 1)), items=group.items)
        for name, group in zip(names, groups, strict=True)
    }
    return Embeddings(bare).item_codes(*names)


def _one_match_an_item(codes: ItemCodes) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each item that both groups show, in the order of x."""
    x_items, x_first = np.unique(codes.x, return_index=True)
    y_items, y_first = np.unique(codes.y, return_index=True)
    _, of_x, of_y = np.intersect1d(x_items, y_items, assume_unique=True, return_indices=True)
    x_rows, y_rows = x_first[of_x], y_first[of_y]
    order = np.argsort(x_rows)
    return x_rows[order], y_rows[order]


def _sampled(groups: tuple[Group, Group], x_rows: np.ndarray, y_rows: np.ndarray, seed: int) -> _Sample:
    count = len(x_rows)
    places = np.arange(count)
    if count > _SAMPLE:
        places = np.sort(np.random.default_rng(seed).choice(count, _SAMPLE, replace=False))
    x, y = unit_sample(groups[0].vectors, x_rows[places]), unit_sample(groups[1].vectors, y_rows[places])
    n = len(places)
    x_centre, y_centre = x.mean(axis=0), y.mean(axis=0)
    products = (x - x_centre) @ (y - y_centre).T
    spread = float(np.sqrt((products**2).sum() / (n * (n - 1))))
    if spread < 1e-9:  # all rows of a side are one vector
        spread = 0.0
    matched = float(np.einsum("ij,ij->", x, y)) / n
    unmatched = (float(x_centre @ y_centre) * n - matched) / (n - 1)
    rows = np.arange(n)
    ranks = [match_ranks(x, y, (rows, rows), pessimistic=pessimistic) for pessimistic in (False, True)]
    mean_rank = float(np.mean([side for r in ranks for side in (r.y_for_x, r.x_for_y)]))
    first = float(np.mean([side == 0 for side in (ranks[1].y_for_x, ranks[1].x_for_y)]))
    return _Sample(
        x_centre=x_centre,
        y_centre=y_centre,
        spread=spread,
        agreement=np.diagonal(products) / spread if spread else np.zeros(n),
        places=places,
        matched=matched,
        unmatched=unmatched,
        ahead=1 - mean_rank / (n - 1),
        first_share=first,
    )


def _z(agreement: np.ndarray) -> float:
    return float(agreement.sum() / np.sqrt(len(agreement))) if len(agreement) else 0.0


def _best(
    groups: tuple[Group, Group], orders: Sequence[Order], places: np.ndarray, sample: _Sample
) -> tuple[Order, float] | None:
    """Return the order in which the sampled pairs agree best, if it is one beyond doubt."""
    if not orders:
        return None
    sides = [[order.x_rows[places] for order in orders], [order.y_rows[places] for order in orders]]
    x, y = (  # all orders at once, since scattered rows of a file are slow to reach
        unit_sample(group.vectors, np.concatenate(rows)) for group, rows in zip(groups, sides, strict=True)
    )
    usable = x.any(axis=1) & y.any(axis=1)
    agreement = np.where(usable, sample.agreement_of(x, y), 0.0).reshape(len(orders), len(places))
    z = agreement.sum(axis=1) / np.sqrt(np.maximum(1, usable.reshape(agreement.shape).sum(axis=1)))
    best = int(np.argmax(z))
    return (orders[best], float(z[best])) if z[best] >= _RESTORED_Z else None


def _numbers(sample: _Sample, count: int) -> dict[str, float]:
    return {
        "pairs": count,
        "sample": len(sample.places),
        "matched_cosine": sample.matched,
        "unmatched_cosine": sample.unmatched,
        "z": sample.z,
        "ranks_ahead": sample.ahead,
        "first_share": sample.first_share,
    }


def _of(sample: _Sample, count: int) -> str:
    n = len(sample.places)
    return f"{plural(count, 'pair')}" if n == count else f"a sample of {n} of {count} pairs"


def _at_chance(
    names: tuple[str, str],
    groups: tuple[Group, Group],
    x_rows: np.ndarray,
    y_rows: np.ndarray,
    sample: _Sample,
    seed: int,
) -> Finding:
    count = len(x_rows)
    seen = (
        f"{names[0]} and {names[1]} are matched no better than chance over {_of(sample, count)}: mean cosine "
        f"{sample.matched:.3f} matched and {sample.unmatched:.3f} unmatched (z = {sample.z:.1f}), and the match ranks "
        f"ahead of {100 * sample.ahead:.0f} % of the others (chance 50 %)"
    )
    items = (groups[0].items, groups[1].items)
    small = sketch(groups[0].vectors, groups[1].vectors, x_rows, y_rows, seed)
    orders = [
        *row_orders(names, x_rows, y_rows, small, "row" if items[0] is None else "item"),
        *sorted_orders(names, x_rows, y_rows, items, (len(groups[0]), len(groups[1]))),
    ]
    best = _best(groups, orders, sample.places, sample)
    if best is not None:
        order, z = best
        return Finding(
            name="misaligned-pairs",
            severity="error",
            groups=names,
            evidence=f"{seen}; but they match with z = {z:.1f} if {order.words}.",
            mend=order.mend,
            numbers={**_numbers(sample, count), "restored_z": z, "shift": order.shift},
        )
    few = len(sample.places) < _SURE_PAIRS
    return Finding(
        name="shuffled-pairs",
        severity="warning" if few else "error",
        groups=names,
        evidence=f"{seen}; no shift, reversal or sorting of rows restores them"
        + (f", though {len(sample.places)} pairs are too few to be sure." if few else "."),
        mend="Either the rows of one group stand in another order, or the towers are untrained or do not belong "
        "together; the vectors alone cannot tell which. Save both groups from one loop with their item ids, and give "
        "groups that are not meant to pair different ids: Embeddings.from_arrays(..., items={name: ids}).",
        numbers=_numbers(sample, count),
    )


def _broken_run(sample: _Sample) -> slice | None:
    """Return the run of the sample that pairs at chance while the rest pairs well."""
    n = len(sample.places)
    if n < 20 * _SEGMENTS:
        return None
    bounds = np.linspace(0, n, _SEGMENTS + 1).astype(int)
    z = np.array([_z(sample.agreement[low:high]) for low, high in pairwise(bounds)])
    bad = z < min(3.0, float(z.max()) / 4)
    if not bad.any() or float(np.median(z[~bad])) < 8:
        return None
    numbers = np.flatnonzero(bad)
    run = max(np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1), key=len)
    low, high = int(bounds[run[0]]), int(bounds[run[-1] + 1])
    if high < n or low == 0:
        return slice(low, high)
    level = float(sample.agreement[:low].mean())  # the break is where the sum of agreement above half of it is greatest
    return slice(int(np.argmax(np.cumsum(sample.agreement - level / 2))) + 1, n)


def _partly_at_chance(
    names: tuple[str, str],
    groups: tuple[Group, Group],
    x_rows: np.ndarray,
    y_rows: np.ndarray,
    sample: _Sample,
    run: slice,
    seed: int,
) -> Finding:
    count = len(x_rows)
    places = sample.places[run]
    low, high = int(places[0]), int(places[-1])
    rest = np.delete(sample.agreement, run)
    numbers = {**_numbers(sample, count), "first_row": int(x_rows[low]), "last_row": int(x_rows[high])}
    seen = (
        f"about rows {x_rows[low]} to {x_rows[high]} of {names[0]} match {names[1]} no better than chance (z = "
        f"{_z(sample.agreement[run]):.1f}), while the rest does (z = {_z(rest):.1f}; {_of(sample, count)})"
    )
    noun = "row" if groups[0].items is None else "item"
    small = sketch(groups[0].vectors, groups[1].vectors, x_rows, y_rows, seed)
    shift = small.best_shift(slice(low, high + 1)) if low < len(small.x) else 0
    best = _best(groups, [shifted(names, x_rows, y_rows, shift, noun)] if shift else [], places, sample)
    if best is None:
        return Finding(
            name="partly-shuffled-pairs",
            severity="error",
            groups=names,
            evidence=f"{seen}.",
            mend="Look at what was embedded there, and embed these rows of both groups again in one order.",
            numbers=numbers,
        )
    order, z = best
    longer = names[1] if shift > 0 else names[0]
    return Finding(
        name="partly-misaligned-pairs",
        severity="error",
        groups=names,
        evidence=f"{seen}; there they match with z = {z:.1f} if {order.words}.",
        mend=f"Near row {x_rows[low]} {longer} has {counted(shift, noun)} too many: drop it there, or save both "
        f"groups from one loop with item ids.",
        numbers={**numbers, "restored_z": z, "shift": shift},
    )


def _weak(names: tuple[str, str], sample: _Sample, count: int) -> Finding:
    return Finding(
        name="weak-pairs",
        severity="warning",
        groups=names,
        evidence=f"{names[0]} and {names[1]} match better than chance (z = {sample.z:.1f} over {_of(sample, count)}), "
        f"but the match ranks ahead of only {100 * sample.ahead:.0f} % of the others (chance 50 %).",
        mend="Check whether some of the pairs are mixed up, and whether both towers are of one trained model.",
        numbers=_numbers(sample, count),
    )


def _one_tower(names: tuple[str, str], sample: _Sample) -> Finding:
    return Finding(
        name="same-tower",
        severity="warning" if names[0].split("/")[0] == names[1].split("/")[0] else "error",
        groups=names,
        evidence=f"matched rows of {names[0]} and {names[1]} have a mean cosine of {sample.matched:.5f} (unmatched "
        f"{sample.unmatched:.3f}), as one input embedded twice by one tower.",
        mend="Check that one file or one tower was not used for both groups, and embed each with its own tower.",
        numbers=_numbers(sample, len(sample.places)),
    )


def _partners(names: tuple[str, str], groups: tuple[Group, Group], codes: ItemCodes) -> Iterator[Finding]:
    """Find rows whose item the other group does not show, and items that both show many times."""
    if groups[0].items is None:
        return
    seen = [np.bincount(c, minlength=codes.count) for c in (codes.x, codes.y)]
    lonely = [int(s[other == 0].sum()) for s, other in (seen, seen[::-1])]
    numbers = {"x_rows_without_partner": lonely[0], "y_rows_without_partner": lonely[1]}
    if any(lonely):
        share = 1 - min(lonely[0] / len(codes.x), lonely[1] / len(codes.y))
        alike = _alike_after_trimming(groups)
        yield Finding(
            name="partly-paired",
            severity="warning" if share < 0.1 or alike > share + 0.1 else "note",
            groups=names,
            evidence=f"{lonely[0]} of {len(codes.x)} rows of {names[0]} and {lonely[1]} of {len(codes.y)} rows of "
            f"{names[1]} show an item that the other group lacks{_alike_words(alike, share)}.",
            mend=_spelling_mend(alike > share + 0.1)
            or "Rows without a partner are left out of pairs; add what is missing, unless one is a larger gallery.",
            numbers=numbers,
        )
    both = int(np.count_nonzero((seen[0] > 1) & (seen[1] > 1)))
    if both:
        pairs = int((seen[0].astype(np.int64) * seen[1]).sum())
        yield Finding(
            name="repeated-items",
            severity="note",
            groups=names,
            evidence=f"{plural(both, 'item')} occur more than once in {names[0]} and in {names[1]}, so that there are "
            f"{pairs} pairs.",
            mend="Each row pairs with every row of its item; if that is not meant, give finer ids, one for each thing "
            "shown.",
            numbers={"items": both, "pairs": pairs},
        )


def _alike_after_trimming(groups: tuple[Group, Group]) -> float:
    """Share of the smaller group's distinct ids that would meet without folder, ending, leading zeros and case."""
    trimmed = [
        {_trimmed(item) for item in np.unique(group.items).astype(str)} for group in groups if group.items is not None
    ]
    if len(trimmed) < 2:
        return 0.0
    return len(trimmed[0] & trimmed[1]) / min(map(len, trimmed))


def _trimmed(item: str) -> str:
    name = item.strip().replace("\\", "/").rsplit("/", 1)[-1].lower()
    return (name.rsplit(".", 1)[0] or name).lstrip("0") or "0"


def _alike_words(alike: float, share: float) -> str:
    if alike <= share + 0.1:
        return ""
    return f"; without folders, endings, leading zeros and case {100 * alike:.0f} % of the ids would meet"


def _spelling_mend(alike: bool) -> str:
    return "Write the ids of both groups alike: id = pathlib.Path(id).stem.lstrip('0').lower()." if alike else ""


def _unpaired(
    names: tuple[str, str], groups: tuple[Group, Group], surveys: tuple[Survey, Survey], reason: str, seed: int
) -> Finding:
    without_ids = groups[0].items is None and groups[1].items is None
    alike = 0.0 if without_ids else _alike_after_trimming(groups)
    if without_ids and surveys[0].d == surveys[1].d and min(len(groups[0]), len(groups[1])) >= _LEAST_PAIRS:
        hidden = _hidden_order(names, groups, surveys, seed)
        if hidden is not None:
            order, z, broken = hidden
            upto = "" if broken is None else f", up to about row {broken} of {names[0]}"
            lost = f"Near row {broken} one group lost a row: drop its partner, or save both groups with item ids."
            return Finding(
                name="unpaired",
                severity="warning",
                groups=names,
                evidence=f"nothing pairs, since {reason}; but rows match with z = {z:.1f} if {order.words}{upto}.",
                mend=order.mend if broken is None else lost,
                numbers={"restored_z": z} if broken is None else {"restored_z": z, "first_row": broken},
            )
    return Finding(
        name="unpaired",
        severity="warning" if alike > 0.1 else "note",
        groups=names,
        evidence=f"nothing pairs, since {reason}{_alike_words(alike, 0.0)}.",
        mend=_spelling_mend(alike > 0.1)
        or "That is no fault, but quantities of pairs are skipped; to get them give both groups item ids: "
        "Embeddings.from_arrays(..., items={name: ids}).",
    )


def _hidden_order(
    names: tuple[str, str], groups: tuple[Group, Group], surveys: tuple[Survey, Survey], seed: int
) -> tuple[Order, float, int | None] | None:
    """Return the way in which groups of different sizes pair after all, how well, and the row up to which they do."""
    for order in repeats(names, (len(groups[0]), len(groups[1]))):
        keep = np.flatnonzero(surveys[0].usable[order.x_rows] & surveys[1].usable[order.y_rows])
        if len(keep) >= _LEAST_PAIRS:
            sample = _sampled(groups, order.x_rows[keep], order.y_rows[keep], seed)
            if sample.z >= _RESTORED_Z:
                run = _broken_run(sample)
                if run is None or run.start == 0 or run.stop < len(sample.places):
                    return order, sample.z, None
                return order, sample.z, int(order.x_rows[keep[sample.places[run.start]]])
    return None
