"""The page of a comparison: what differs, each quantity of each model, how alike the spaces are, how it was done."""

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.quantity_chart import quantity_chart
from crossgap.report.models.verdict import HEADLINES, likeness, sentences, summaries
from crossgap.report.page.blocks import Page, Paragraph, Section, Sentences, Table
from crossgap.results import told

__all__ = ["models_page"]

_CURVES = ("cosine_quantiles", "match_probability", "precision_recall")


def models_page(comparison: ModelComparison) -> Page:
    """Lay out a comparison."""
    names = list(comparison.models)
    against = ", ".join(names[1:])
    return Page(
        title=f"Models compared: {', '.join(names)}",
        lead=f"{against} against {comparison.baseline}: gap, dimension, topology, retrieval, likeness of the spaces.",
        sections=(
            _verdict(comparison),
            _quantities(comparison),
            _spaces(comparison),
            _numbers(comparison),
            _method(comparison),
        ),
        document=comparison.to_json(),
        file_name="compare.json",
    )


def _verdict(comparison: ModelComparison) -> Section:
    said = tuple(sentences(comparison))
    return Section(
        name="verdict",
        title="What differs",
        blocks=(
            *(Paragraph(text=summary, tone="key") for summary in summaries(comparison)),
            Sentences(items=(*said, *likeness(comparison))),
            Paragraph(
                text="Not clearly different: the interval of the change holds 0. No correction is made for the number "
                "of changes: of twenty that are truly 0, about one will look different.",
                tone="caution",
            ),
        ),
        missing=() if said else ("no quantity was measured of two models alike; see the numbers below.",),
    )


def _quantities(comparison: ModelComparison) -> Section:
    figures = tuple(figure for headline in HEADLINES if (figure := quantity_chart(comparison, headline)) is not None)
    drawn = {figure.name for figure in figures}
    missing = tuple(
        f"{headline.label}: not measured of these models (it needs pairs, or was not asked for)."
        for headline in HEADLINES
        if f"models-{headline.name.replace('_', '-')}" not in drawn
    )
    return Section(name="quantities", title="Each model's numbers", blocks=figures, missing=missing)


def _spaces(comparison: ModelComparison) -> Section:
    found = [one for one in comparison.similarities if one.value is not None]
    reasons = {one.reason: one.name for one in comparison.similarities if one.reason is not None}
    missing = [f"{name}: {reason}." for reason, name in reasons.items() if reason is not None]
    if not comparison.settings["paired"]:
        missing.append("how alike the spaces are: needs the same items in each model.")
    blocks: tuple[Paragraph | Table, ...] = ()
    if found:
        blocks = (
            Paragraph(
                text="These compare the arrangement of the same items within one group, whatever the rotation of the "
                "spaces. CKA, mutual neighbours and RSA are 1 for equal arrangements, distances and divergence 0. None "
                "of them sees the modality gap: a shift of a whole group changes none."
            ),
            Table(
                caption="How alike two models' spaces are",
                columns=("models", "group", "quantity", "value", "chance", "rows"),
                rows=tuple(
                    (
                        " and ".join(one.options["models"]),
                        ", ".join(one.groups),
                        one.name,
                        told(one),
                        one.options.get("chance"),
                        one.options["n"],
                    )
                    for one in found
                ),
            ),
        )
    return Section(name="spaces", title="How alike the spaces are", blocks=blocks, missing=tuple(missing))


def _numbers(comparison: ModelComparison) -> Section:
    keys: dict[tuple[str, tuple[str, ...], str], dict[str, tuple[str, str | None]]] = {}
    for model, measurements in comparison.measurements.items():
        for one in measurements:
            if one.name in _CURVES or one.value is None:
                continue
            told_options = {
                key: one.options[key] for key in ("k", "quantile", "coordinates", "C", "result") if key in one.options
            }
            options = ", ".join(f"{key} {value}" for key, value in told_options.items())
            change = comparison.difference(model, one.name, *one.groups, **told_options)
            row = keys.setdefault((one.name, one.groups, options), {})
            row.setdefault(model, (told(one), None if change is None else told(change, sign=True)))
    rows = tuple(
        (f"{name} ({options})" if options else name, ", ".join(groups), model, value, change)
        for (name, groups, options), by_model in keys.items()
        for model, (value, change) in by_model.items()
    )
    return Section(
        name="numbers",
        title="All numbers",
        blocks=(
            Table(
                caption=f"Every quantity of every model; change against {comparison.baseline}",
                columns=("quantity", "groups", "model", "value", "change"),
                rows=rows,
            ),
        ),
    )


def _method(comparison: ModelComparison) -> Section:
    settings = comparison.settings
    rows = tuple(
        (model, str(facts["group"]), str(facts.get("source", "given in memory")), int(facts["n"]), int(facts["d"]))
        for model, inputs in comparison.models.items()
        for facts in inputs
    )
    paired = (
        "Each change is paired: both models are resampled with the same items, so what they share cancels."
        if settings["paired"]
        else "The models hold different items, so each is resampled on its own and changes have wider intervals."
    )
    drawn = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates of whole items"
    certainty = drawn if settings["bootstrap"] else "No intervals"
    blocks = (
        Table(caption="Sources", columns=("model", "group", "source", "rows", "dimensions"), rows=rows),
        Paragraph(text=f"{paired} {certainty}; seed {settings['seed']}; crossgap {comparison.version}."),
        *((Paragraph(text=f"Command: {settings['command']}"),) if "command" in settings else ()),
        *((Sentences(items=tuple(settings["notes"])),) if settings["notes"] else ()),
    )
    return Section(name="method", title="How it was done", blocks=blocks)
