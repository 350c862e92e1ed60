"""Who wins a search over everything: shares, the quality of the lists, and real queries before and after closing."""

from collections.abc import Iterator, Mapping
from typing import Any

from crossgap.report.charts.mixed_shares import mixed_shares
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Ranking, Section, Table
from crossgap.report.page.detail_entries import entries, judged_closer, missing_entry
from crossgap.report.source_words import measure_command
from crossgap.report.verdict import group_pairs
from crossgap.results import told

__all__ = ["ranking"]

_TITLE = "Who wins a mixed search"
_HALF = 2


def ranking(report: GapReport) -> Section:
    """Show the shares of the modalities in the top ten, NDCG, and five queries with their first answers."""
    if not group_pairs(report):
        return Section(name="ranking", title=_TITLE, missing=("A search over several kinds of rows needs two groups.",))
    blocks: list[Any] = []
    missing: list[str] = []
    figure = mixed_shares(report)
    if figure is not None:
        blocks.append(
            Paragraph(
                text=(
                    "One index holds the rows of all groups, and each row of a group searches it, leaving itself out. "
                    "A fair search shows each modality about as often as the corpus holds it."
                ),
                tone="reading",
            )
        )
        blocks.append(figure)
    else:
        found = report.find("modality_share_at_k")
        why = (
            f"this file holds no shares; {measure_command(report)} measures them"
            if found is None
            else str(found.reason).rstrip(".")
        )
        missing.append(f"Who wins a search over everything: {why}.")
    quality = [found for found in report.measurements if found.name == "ndcg_at_k"]
    told_quality = [found for found in quality if found.value is not None]
    if told_quality:
        after = _after(report)
        blocks.append(
            Table(
                caption=(
                    "Quality of the lists over everything. NDCG@10 is 1 where all rows of the right item stand first, "
                    "0 where none is in the top ten."
                    + (" After closing: on held-out parts, which are smaller corpora." if after else "")
                ),
                columns=("searching", "NDCG@10 with interval", *(["after closing"] if after else [])),
                rows=tuple(
                    (found.groups[0], told(found), *([after.get(found.groups[0])] if after else []))
                    for found in told_quality
                ),
            )
        )
    missing += [
        f"Quality of the lists of {found.groups[0]}: {str(found.reason).rstrip('.')}."
        for found in quality
        if found.value is None
    ]
    for number, examples in enumerate(entries(report, "ranking_examples")):
        blocks.append(
            Ranking(
                title=f"Real queries: {examples['queries']} searching everything",
                examples=examples,
                summary=_summary(examples),
                folded=number > 0 or not _is_named(examples),
            )
        )
    missing += missing_entry(report, "ranking_examples", "Real queries with their answers before and after")
    return Section(name="ranking", title=_TITLE, blocks=tuple(blocks), missing=tuple(dict.fromkeys(missing)))


def _after(report: GapReport) -> dict[str, str]:
    """Return NDCG after closing by searching group, where a closer was judged."""
    closer = judged_closer(report) or {}
    return {
        str(one["groups"][0]): f"{one['after']:.3f}"
        for one in closer.get("verdicts") or ()
        if one.get("quantity") == "ndcg_at_k" and one.get("after") is not None
    }


def _is_named(examples: Mapping[str, Any]) -> bool:
    """Tell whether any row says what it shows: numbers of rows alone tell a reader nothing."""
    rows = [row for one in examples["examples"] for row in (one["query"], *one["before"])]
    return any(row.get(key) for row in rows for key in ("text", "label", "uri"))


def _summary(examples: Mapping[str, Any]) -> str:
    """Say what the queries show together, how they were drawn, and what stands beside each answer."""
    said = [*_counted(examples), examples.get("how") or "", *(examples.get("notes") or ()), *_beside(examples)]
    return " ".join(f"{str(text)[:1].upper()}{str(text)[1:].rstrip('.')}." for text in said if text)


def _counted(examples: Mapping[str, Any]) -> Iterator[str]:
    """Say for how many queries a right answer is shown, and at which place it stands in the middle of them."""
    queries = examples["examples"]
    shown, places = [], []
    for when in ("before", "after"):
        rows = [one[when] for one in queries if one.get(when)]
        if not any(row.get("right") is not None for answers in rows for row in answers):
            continue
        right = sum(any(row.get("right") for row in answers) for answers in rows)
        shown.append(f"{right} of {len(rows)} queries {when}")
        at = sorted(place for one in queries if (place := (one.get("first_right") or {}).get(when)))
        if at:
            places.append(f"{at[len(at) // _HALF]:,} {when}")
    if shown:
        length = max(len(one["before"]) for one in queries)
        yield f"a right answer is among the first {length} for {', for '.join(shown)}"
    if places:
        rows = sum(int(count) for count in (examples.get("corpus") or {}).values())
        yield f"median place of the first right answer{f' in {rows:,} rows' if rows else ''}: {', '.join(places)}"


def _beside(examples: Mapping[str, Any]) -> Iterator[str]:
    """Say what the numbers beside the answers are, and why a row is shown by its name or number alone."""
    scores = examples.get("scores") or {}
    before, after = scores.get("before"), scores.get("after")
    if before and after and before != after:
        yield f"beside each answer stands its score: a {before} before, a {after} after, which have different scales"
    elif before:
        yield f"beside each answer stands its score, a {before}"
    rows = [row for one in examples["examples"] for row in (one["query"], *one["before"])]
    bare = [row for row in rows if not row.get("text") and not row.get("label") and not row.get("thumbnail")]
    if any(row.get("uri") for row in bare):
        yield "rows without a text are shown by the name of their file, or as pictures where crossgap can open them"
    elif bare:
        yield "rows without a text are shown by their number; a text or uri for each row would show what they are"
    if not examples.get("closer"):
        yield "after closing was not measured, since no closer was judged"
