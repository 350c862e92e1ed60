"""What the gap does to one index over all groups: which modality fills the top ten, and how good the list is."""

from collections.abc import Iterator, Mapping

import numpy as np

from crossgap import measure
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.measure.certainty import bounds
from crossgap.report.selection import SEARCHED, Selection, Settings, item_counts
from crossgap.results import Measurement

__all__ = ["MIXED_SEARCH", "mixed_search"]

MIXED_SEARCH = ("modality_share_at_k", "modality_share_excess", "ndcg_at_k")


def mixed_search(
    embeddings: Embeddings, queries: str, settings: Settings, searches: Mapping[tuple[str, str], Selection]
) -> Iterator[Measurement]:
    """Search a corpus of all groups with each row of one group, which leaves itself out.

    ``searches`` hold by (queries, gallery) lists over the same rows, and need not hold any.
    """
    try:
        chosen = embeddings.sample_items(settings.most_rows, seed=settings.seed, proportional=True)
    except DegenerateError as error:  # a group so small that its share of a sub-sample is no row
        for name in MIXED_SEARCH:
            yield Measurement(name=name, groups=(queries,), value=None, reason=str(error))
        return
    corpus = {name: group.vectors for name, group in chosen.items()}
    sizes = {"n": len(chosen[queries]), "corpus": {name: len(group) for name, group in chosen.items()}}
    if chosen is not embeddings:
        sizes["sampled_from"] = {name: len(group) for name, group in embeddings.items()}
    k = min(SEARCHED, sum(len(group) for group in chosen.values()) - 1)
    nearest = {name: searches[queries, name].nearest for name in corpus if (queries, name) in searches}
    search = measure.mixed_search(chosen[queries].vectors, corpus, k=k, own=queries, nearest=nearest)
    items = np.unique(chosen.row_items[queries], return_inverse=True)[1]
    counts = item_counts(int(items.max()) + 1, settings)
    weights = None if counts is None else counts[items]
    for name in chosen:
        expected = search.corpus_share(name)
        values = np.atleast_1d(search.modality_share(name, weights))
        for quantity, shift in (("modality_share_at_k", 0.0), ("modality_share_excess", expected)):
            found = None
            if counts is not None:
                low, high = bounds(values, level=settings.level, lowest=0, highest=1, share_of=len(counts))
                found = low - shift, high - shift
            yield Measurement(
                name=quantity,
                groups=(queries, name),
                value=float(values[0] - shift),
                interval=found,
                options={"k": k, "corpus_share": expected, **sizes},
                replicates=None if counts is None else tuple(map(float, values[1:] - shift)),
            )
    related = {name: chosen.row_items[name] for name in chosen if chosen.item_codes(queries, name).reason is None}
    try:
        values = np.atleast_1d(search.ndcg(chosen.row_items[queries], related, weights))
    except DegenerateError:
        yield Measurement(
            name="ndcg_at_k",
            groups=(queries,),
            value=None,
            options={"k": k, **sizes},
            reason=f"needs matches, but no other row shows the item of a row of {queries}",
        )
        return
    found = None if counts is None else bounds(values, level=settings.level, lowest=0, highest=1)
    yield Measurement(
        name="ndcg_at_k",
        groups=(queries,),
        value=float(values[0]),
        interval=found,
        options={"k": k, **sizes},
        replicates=None if counts is None else tuple(map(float, values[1:])),
    )
