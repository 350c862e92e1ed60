"""The page of a comparison: what differs, each quantity of each model, how alike the spaces are, how it was done."""

from collections.abc import Iterator
from typing import Any

from crossgap.report.documentation import documentation
from crossgap.report.models.asides import in_part, not_measured, without_interval
from crossgap.report.models.differences import written
from crossgap.report.models.first_screen import answers, lead
from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.quantity_chart import quantity_chart
from crossgap.report.models.verdict import HEADLINES, direction, found_of, outcome, places, summaries, where
from crossgap.report.page.blocks import Code, Download, Entries, Entry, Page, Paragraph, Section, Sentences, Table
from crossgap.results import Measurement, told

__all__ = ["models_page"]

_OPEN_TABLES = 3  # of one model against the first; further ones are folded


def models_page(comparison: ModelComparison) -> Page:
    """Lay out a comparison as its file holds it: numbers are rounded there, and the page is drawn from it alone."""
    document = comparison.to_json()
    comparison = ModelComparison.from_json(document)
    return Page(
        title=f"Models compared: {', '.join(comparison.models)}",
        lead=lead(comparison),
        answers=answers(comparison),
        facts=tuple(_facts(comparison)),
        sections=(
            _verdict(comparison),
            _quantities(comparison),
            _spaces(comparison),
            _numbers(comparison),
            _method(comparison),
        ),
        document=document,
        file_name="compare.json",
    )


def _facts(comparison: ModelComparison) -> Iterator[str]:
    yield f"baseline {comparison.baseline}"
    sizes = {label: tuple(f"{name} {n:,}" for name, n in items.items()) for label, items in _items(comparison)}
    if len(set(sizes.values())) == 1:
        yield from next(iter(sizes.values()))
    else:
        yield from (f"{label}: {', '.join(one)}" for label, one in sizes.items())
    yield f"seed {comparison.settings['seed']}"
    yield f"crossgap {comparison.version}"


def _items(comparison: ModelComparison) -> list[tuple[str, dict[str, int]]]:
    return list(comparison.settings["items"].items())


def _verdict(comparison: ModelComparison) -> Section:
    gates = tuple(
        Paragraph(
            text=f"Gate {'passed' if gate.passed else 'failed'}, {gate.model}: {gate.expression} "
            f"({'; '.join(gate.numbers)}).",
            tone="key" if gate.passed else "caution",
        )
        for gate in comparison.gates
    )
    tables = [table for model in list(comparison.models)[1:] if (table := _changes(comparison, model)).rows]
    words: tuple[Sentences | Table, ...] = (Sentences(items=tuple(summaries(comparison))),)
    if len(tables) > _OPEN_TABLES:
        tables = [Table(caption=one.caption, columns=one.columns, rows=one.rows, folded=True) for one in tables]
        words = (_in_a_word(comparison),)
    return Section(
        name="verdict",
        title="What differs",
        blocks=(
            *gates,
            *words,
            *tables,
            Paragraph(
                text="Not clearly different: the interval of the change holds 0. No correction is made for the number "
                "of changes: of twenty that are truly 0, about one will look different.",
                tone="caution",
            ),
        ),
        missing=() if tables else ("No quantity was measured of two models alike; see the numbers below.",),
    )


def _in_a_word(comparison: ModelComparison) -> Table:
    found = {
        headline.label: [outcome(comparison, model, headline) for model in list(comparison.models)[1:]]
        for headline in HEADLINES
    }
    found = {label: words for label, words in found.items() if any(words)}
    rows = zip(list(comparison.models)[1:], *([one or None for one in words] for words in found.values()), strict=True)
    caption = f"Each model against {comparison.baseline}; the tables below hold the numbers"
    return Table(caption=caption, columns=("model", *found), rows=tuple(rows))


def _changes(comparison: ModelComparison, model: str) -> Table:
    rows = []
    for headline in HEADLINES:
        for groups in places(comparison, headline):
            found, change = found_of(comparison, model, headline, groups)
            before, _ = found_of(comparison, comparison.baseline, headline, groups)
            if change is not None:
                row = (headline.label, where(headline, groups), direction(change, headline), told(change, sign=True))
                rows.append((*row, told(before), told(found)))
    columns = ("quantity", "groups", "which is", "change", comparison.baseline, model)
    return Table(caption=f"{model} against {comparison.baseline}", columns=columns, rows=tuple(rows))


def _quantities(comparison: ModelComparison) -> Section:
    figures = tuple(figure for headline in HEADLINES if (figure := quantity_chart(comparison, headline)) is not None)
    drawn = {figure.name for figure in figures}
    missing = tuple(
        f"{headline.label}: see the reasons below the numbers, or it was not asked for."
        for headline in HEADLINES
        if f"models-{headline.name.replace('_', '-')}" not in drawn
    )
    return Section(name="quantities", title="Each model's numbers", blocks=figures, missing=missing)


def _spaces(comparison: ModelComparison) -> Section:
    found = [one for one in comparison.similarities if one.value is not None]
    missing = tuple(sentence for sentence in not_measured(comparison, of_models=False))
    if not found:
        return Section(name="spaces", title="How alike the spaces are", missing=missing)
    table = Table(
        caption="How alike two models' spaces are",
        columns=("models", "group", "quantity", "value", "by chance", "rows looked at"),
        rows=tuple(
            (
                " and ".join(one.options["models"]),
                ", ".join(one.groups),
                f"{one.name} (k = {one.options['k']})" if "k" in one.options else one.name,
                told(one),
                one.options.get("chance"),
                _looked_at(one),
            )
            for one in found
        ),
    )
    blocks = (
        Paragraph(
            text="These compare how the same items lie to each other within one group, whatever the rotation of the "
            "spaces. cka, mutual_neighbours and representational_similarity are 1 for equal arrangements; "
            "procrustes_distance and representation_topology_divergence are 0. None of them sees the modality gap: "
            "each looks at one group at a time.",
            tone="reading",
        ),
        table,
    )
    return Section(name="spaces", title="How alike the spaces are", blocks=blocks, missing=missing)


def _looked_at(one: Measurement) -> str:
    if "batches" in one.options:
        spread = f", {one.options['lowest']:.3f} to {one.options['highest']:.3f}"
        return f"{one.options['batches']} batches of {one.options['rows']}{spread}"
    full = one.options.get("sampled_from")
    return f"{one.options['n']:,}" if full is None else f"{one.options['n']:,} of {full:,}"


def _numbers(comparison: ModelComparison) -> Section:
    values: dict[str, dict[str, str]] = {}
    changes: dict[str, dict[str, str]] = {}
    for rows, by_model, sign in ((values, comparison.measurements, False), (changes, comparison.differences, True)):
        for model, measurements in by_model.items():
            for one in measurements:
                if one.value is not None:
                    rows.setdefault(written(one), {})[model] = told(one, sign=sign)
    names, others = list(comparison.models), list(comparison.models)[1:]
    blocks: tuple[Any, ...] = (
        Paragraph(
            text="Names are those of the functions, as crossgap explain --metric and a gate take them. Histograms and "
            "curves are not compared; crossgap measure holds them.",
            tone="reading",
        ),
        _wide_table("Every number of every model", values, names),
        _wide_table(f"Every change against {comparison.baseline}", changes, others),
        *((Sentences(items=found),) if (found := (*in_part(comparison), *without_interval(comparison))) else ()),
    )
    missing = tuple(not_measured(comparison, of_spaces=False))
    return Section(name="numbers", title="All numbers", blocks=blocks, missing=missing)


def _wide_table(caption: str, rows: dict[str, dict[str, str]], models: list[str]) -> Table:
    return Table(
        caption=caption,
        columns=("number", *models),
        rows=tuple((name, *(found.get(model) for model in models)) for name, found in rows.items()),
        folded=True,
    )


def _method(comparison: ModelComparison) -> Section:
    settings = comparison.settings
    items = dict(_items(comparison))
    rows = tuple(
        (
            model,
            str(facts["group"]),
            str(facts.get("source", "given in memory")),
            int(facts["n"]),
            items[model].get(str(facts["group"]), 0),
            int(facts["d"]),
        )
        for model, inputs in comparison.models.items()
        for facts in inputs
    )
    paired = (
        "Each change is paired: all models are resampled with the same items, so what they share cancels."
        if settings["paired"]
        else "The models hold different items, so each is resampled on its own and changes have wider intervals."
    )
    drawn = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates of whole items"
    certainty = drawn if settings["bootstrap"] else "No intervals were asked for"
    command = settings.get("command")
    blocks = (
        Table(caption="Sources", columns=("model", "group", "source", "rows", "compared", "dimensions"), rows=rows),
        Paragraph(text=f"{paired} {certainty}; seed {settings['seed']}; crossgap {comparison.version}."),
        *((Sentences(items=tuple(settings["notes"])),) if settings["notes"] else ()),
        *((Code(caption="The command that measured (-o says where to write):", text=str(command)),) if command else ()),
        Download(text="Save the file that this page is drawn from (compare.json)"),
        Entries(
            caption="What the quantities of the charts and of the likeness are; crossgap explain --metric NAME says it "
            "of each.",
            items=tuple(_entries(comparison)),
        ),
    )
    return Section(name="method", title="How it was done", blocks=blocks)


def _entries(comparison: ModelComparison) -> Iterator[Entry]:
    from crossgap import compare, measure, topology

    measured = {one.name for found in comparison.measurements.values() for one in found if one.value is not None}
    names = [headline.name for headline in HEADLINES if headline.name in measured]
    names += dict.fromkeys(one.name for one in comparison.similarities if one.value is not None)
    for name in names:
        function = next((getattr(room, name) for room in (measure, compare, topology) if hasattr(room, name)), None)
        if function is None:
            continue
        found = documentation(function)
        parts = (("Formula", found.formula), ("How to read it", found.how_to_read), ("Source", found.references))
        yield Entry(name=name, summary=found.summary.replace("``", ""), parts=tuple(part for part in parts if part[1]))
