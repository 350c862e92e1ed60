"""Blunders in embeddings and in the installed packages, before anything is measured.

    groups --> survey: one pass, in blocks --> checks of one group, of two groups --> Finding, Finding, ...

Groups are examined as they were read, not yet checked against each other: faults are what is looked for. Every file
holds the checks of one question, as plain functions that yield findings; nothing is registered.
"""

from collections.abc import Mapping
from itertools import combinations

from crossgap.data.embeddings import Group
from crossgap.doctor.bad_rows import check_bad_rows, check_half_precision
from crossgap.doctor.coordinates import check_coordinates
from crossgap.doctor.duplicates import check_duplicates, check_same_rows
from crossgap.doctor.environment import examine_environment
from crossgap.doctor.finding import Finding, sorted_findings, verdict_line
from crossgap.doctor.lengths import check_length_ratio, check_lengths
from crossgap.doctor.pairing import check_pairing
from crossgap.doctor.sizes import check_fit, check_row_counts
from crossgap.doctor.survey import survey

__all__ = ["Finding", "examine", "examine_environment", "verdict_line"]


def examine(groups: Mapping[str, Group], *, seed: int = 0) -> tuple[Finding, ...]:
    """Look for blunders in groups of vectors, the gravest first.

    Parameters
    ----------
    groups
        Groups by name; they need not fit each other, and may hold zeros, NaN and infinities.
    seed
        Seed of the sample of pairs. The same groups and seed give the same findings.

    Raises
    ------
    ValueError
        If there is no group.

    Notes
    -----
    Cost: one pass over all rows in blocks, and for each two groups a sample of 1,000 pairs; only if these match no
    better than chance a second pass over at most 65,536 pairs, which compares all shifts of the rows at once. Memory:
    some blocks, and 40 bytes for each row.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((600, 40))
    >>> rows[7] = 0.0
    >>> for finding in examine({"image": Group(vectors=rows)}):
    ...     print(finding.severity, finding.name, finding.numbers.get("rows"))
    error zero-rows 1
    note not-normalised None
    """
    if not groups:
        raise ValueError("there is no group to examine; give at least one, for example image=Group(vectors=array).")
    surveys = {name: survey(group.vectors) for name, group in groups.items()}
    found: list[Finding] = []
    for name, facts in surveys.items():
        found += check_bad_rows(name, facts)
        found += check_half_precision(name, facts)
        found += check_lengths(name, facts)
        found += check_coordinates(name, facts)
        found += check_duplicates(name, facts, groups[name].items)
    found += check_row_counts(surveys)
    for names in combinations(groups, 2):
        two = surveys[names[0]], surveys[names[1]]
        found += check_fit(names, *two)
        found += check_length_ratio(names, *two)
        shared = list(check_same_rows(names, *two))
        found += shared
        if not any(finding.numbers["share"] >= 0.5 for finding in shared):  # else pairs say nothing
            found += check_pairing(names, (groups[names[0]], groups[names[1]]), two, seed)
    return sorted_findings(found)
