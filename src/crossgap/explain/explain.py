"""Explain the gaps of a set of embeddings: ``explain(embeddings) -> Explanation``."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from crossgap import __version__
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.explain.angle_of_the_gap import angle_of_the_gap
from crossgap.explain.cones import cones
from crossgap.explain.dimension_collapse import dimension_collapse
from crossgap.explain.finding import Explanation, Finding
from crossgap.explain.headline import headline
from crossgap.explain.held_out_repair import held_out_repair
from crossgap.explain.hubs import hubs
from crossgap.explain.pair_noise import constancy, noise_shape
from crossgap.explain.parts_of_the_distance import PARTS, covariance_without_pairs, parts_of_the_distance
from crossgap.explain.rogue_coordinates import rogue_coordinates
from crossgap.explain.temperature import temperature_and_rest
from crossgap.explain.two_groups import TwoGroups
from crossgap.geometry.rows import check_lengths, check_rows
from crossgap.measure.certainty import LEAST_ITEMS

__all__ = ["explain"]

Progress = Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]]


def explain(
    embeddings: Embeddings,
    *,
    temperature: float = 0.01,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    most_rows: int = 5_000,
    inputs: Iterable[Mapping[str, Any]] | None = None,
    notes: Iterable[str] = (),
    progress: Progress | None = None,
) -> Explanation:
    """Take the gap between every two groups apart.

    How to read it: the first finding of two groups, ``gap``, says in one sentence where their gap comes from. Then
    follow the parts of the distance of partners, the largest first, what moving the centres would repair on rows that
    it has not seen, and what else is known of offset, noise, dimensions, temperature and hubs.

    Parameters
    ----------
    embeddings
        At least two groups. Pairs are not needed; findings that need them are skipped with the reason.
    temperature
        That of the model, 1 / logit scale, for ``temperature``; CLIP ends at 0.01.
    replicates, level, seed
        Of the intervals, by a bootstrap over items; 0 replicates for none. The seed also cuts the items in halves.
    most_rows
        Rows of a group that are looked at; of a larger one whole items are drawn at random, and the notes say so.
    inputs, notes
        Facts about the groups' sources and sentences about what was left aside, for the record.
    progress
        Called with the steps and a function that names one; yields the steps. For a progress bar.

    Raises
    ------
    ValueError
        If ``temperature``, ``level`` or ``replicates`` is out of range, or a row is zero or not finite.
    DegenerateError
        If there is only one group, or one has fewer than two rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(60, 8))
    >>> shift = np.eye(8)[0] * 3
    >>> e = Embeddings.from_arrays(image=shared + shift, text=shared - shift)
    >>> found = explain(e, replicates=0)
    >>> found.findings[0].name, found.find("offset").value > 0.8
    ('gap', True)
    """
    _check(embeddings, temperature, replicates, level)
    said = list(notes)
    pairs = []
    for a, b in itertools.combinations(embeddings, 2):
        whole = embeddings.select([a, b])
        sampled = whole.sample_items(most_rows, seed=seed)
        two = TwoGroups(embeddings=sampled, replicates=replicates, level=level, seed=seed)
        pairs.append(two)
        said += [note for note in _notes(whole, two, most_rows) if note not in said]
    steps = [step for two in pairs for step in _steps(two, temperature)]
    found: dict[int, list[Finding]] = {id(two): [] for two in pairs}
    for step in steps if progress is None else progress(steps, str):
        found[id(step.two)] += step.findings()
    findings = [finding for two in pairs for finding in (headline(two, found[id(two)]), *found[id(two)])]
    return Explanation(
        version=__version__,
        inputs=tuple(inputs) if inputs is not None else _facts(embeddings),
        settings={
            "seed": seed,
            "bootstrap": replicates,
            "level": level,
            "temperature": temperature,
            "rows": most_rows,
            "notes": said,
        },
        findings=tuple(_once(findings)),
    )


def _check(embeddings: Embeddings, temperature: float, replicates: int, level: float) -> None:
    if len(embeddings) < 2:
        raise DegenerateError(
            f"a gap needs two groups, but there is one, {next(iter(embeddings))}; give a second group, or crossgap "
            f"measure for one."
        )
    if replicates < 0 or replicates == 1:
        raise ValueError(f"replicates must be 0 or at least 2, but it is {replicates}; 200 is a good number.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but it is {level}; 0.95 is usual.")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be a finite number above 0, but it is {temperature}; 0.01 is usual.")
    for name, group in embeddings.items():
        check_rows(group.vectors, name, least=2)
        check_lengths(group.vectors, name)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One look at two groups: the findings that it makes, and whether it takes pairs."""

    two: TwoGroups
    names: tuple[str, ...]
    look: Callable[[], Iterable[Finding]]
    needs_pairs: bool = False
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{', '.join(self.two.names)}: {self.names[0].replace('_', ' ')}"

    def findings(self) -> Iterator[Finding]:
        """Yield the findings, and for each that cannot be made the reason."""
        groups = self.groups or self.two.names
        reason = self.two.unpaired if self.needs_pairs else None
        made = set()
        if reason is None:
            try:
                for finding in self.look():
                    made.add(finding.name)
                    yield finding
            except DegenerateError as error:
                reason = str(error)
        if reason is not None:
            yield from (Finding.skipped(name, groups, reason) for name in self.names if name not in made)


def _steps(two: TwoGroups, temperature: float) -> Iterator[_Step]:
    """List what is looked at, in the order of the findings."""
    if two.unpaired is None:
        yield _Step(two=two, names=PARTS, look=lambda: parts_of_the_distance(two))
    else:
        yield _Step(two=two, names=("offset", "details"), look=tuple, needs_pairs=True)
        yield _Step(two=two, names=("covariance_mismatch",), look=lambda: covariance_without_pairs(two))
    yield _Step(two=two, names=("mean_removal", "translation", "score_spread"), look=lambda: held_out_repair(two))
    yield _Step(two=two, names=("rogue_coordinates",), look=lambda: rogue_coordinates(two))
    yield _Step(two=two, names=("cones",), look=lambda: cones(two))
    yield _Step(two=two, names=("angle_of_the_gap",), look=lambda: angle_of_the_gap(two))
    yield _Step(two=two, names=("constancy",), look=lambda: constancy(two), needs_pairs=True)
    yield _Step(two=two, names=("noise_shape",), look=lambda: noise_shape(two), needs_pairs=True)
    for side, name in enumerate(two.names):
        look = partial(dimension_collapse, two, side)
        yield _Step(two=two, names=("dimension_collapse",), look=look, groups=(name,))
    at = partial(temperature_and_rest, two, temperature=temperature)
    yield _Step(two=two, names=("temperature",), look=at, needs_pairs=True)
    yield _Step(two=two, names=("hubness",), look=lambda: hubs(two))


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out what was said of a group already, beside another one."""
    seen = set()
    for finding in findings:
        if len(finding.groups) == 1 and (finding.name, finding.groups) in seen:
            continue
        seen.add((finding.name, finding.groups))
        yield finding


def _notes(whole: Embeddings, two: TwoGroups, most_rows: int) -> Iterator[str]:
    for name, group in whole.items():
        taken = len(two.embeddings[name])
        if taken < len(group):
            yield (
                f"{taken} of {len(group)} rows of {name} were looked at, whole items drawn at random (--rows "
                f"{most_rows})."
            )
    if two.replicates and two.counts is None:
        yield (
            f"no intervals for {' and '.join(two.names)}: their rows show fewer than {LEAST_ITEMS} items, and an "
            f"interval needs as many."
        )


def _facts(embeddings: Embeddings) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"group": name, "n": len(group), "d": embeddings.dimension, "dtype": str(group.vectors.dtype)}
        for name, group in embeddings.items()
    )
