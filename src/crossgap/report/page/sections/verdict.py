"""What to do, task by task: one card for each task and decision, by what was judged on held-out rows where it was."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Card, Cards, Code, Paragraph, Section, Sentences
from crossgap.report.page.closer_words import CLOSER_WORDS
from crossgap.report.page.detail_entries import findings, judged_closer
from crossgap.report.source_words import SAMPLE, close_command, is_sample, measure_command
from crossgap.report.verdict import CLOSE, LEAVE, NOT_MEASURED, Task, group_pairs, headline, tasks
from crossgap.results import told, with_bounds

__all__ = ["task_cards", "verdict"]

_ABOUT = {
    "mixed search": (
        "One index holds everything, and the best answer may be of any kind. NDCG@10 is 1 for a perfect list, 0 where "
        "the top ten holds no right answer."
    ),
    "one threshold": (
        "One score limit for all pairs, of one kind or of two. AUROC is 1 where every match scores above every "
        "stranger, 0.5 for guessing."
    ),
    "retrieval across": (
        "All answers are of one other kind, such as texts for an image. recall@1 is the share of queries whose first "
        "answer is right."
    ),
    "zero-shot": "Rows get the label of the nearest class name; accuracy is the share of right ones.",
}
_ABOUT_NOW = {
    "mixed search": (
        "One index holds everything, and the best answer may be of any kind. A fair list shows each kind about as "
        "often as the corpus holds it."
    ),
    "one threshold": (
        "One score limit for all pairs, of one kind or of two. It can work only where a match across scores higher "
        "than two rows of one kind."
    ),
}
_TITLES = {
    "mixed search": "Mixed search",
    "one threshold": "One threshold for all scores",
    "retrieval across": "Cross-modal search",
    "zero-shot": "Zero-shot labels",
}
_QUANTITIES = {
    "ndcg_at_k": "NDCG@10",
    "recall_at_k": "recall@1",
    "label_accuracy": "accuracy",
    "match_auroc": "AUROC of a match",
    "modality_share_excess": "fairness",
}
_COSTS = {
    "mixed search": "Sure that a group is hidden",
    "one threshold": "Sure that a match scores lower than rows of one kind",
}
_CHECK = "check the data"  # instead of a decision that rests on data with errors
_ORDER = {CLOSE: 0, _CHECK: 1, "not enough data": 2, LEAVE: 3, NOT_MEASURED: 4}
_PAIRS_IN_DOUBT = "shuffled-pairs"  # a warning where there are too few pairs to be sure of it
_USELESS = {  # up to which value of a quantity even a clear gain is of little use, and what that means
    "ndcg_at_k": (0.1, "Even then the lists hold few right answers."),
    "match_auroc": (0.6, "Even then a score says little more than guessing."),
}


def verdict(report: GapReport) -> Section:
    """Say for each task whether to close the gap, how much that gains, and how sure that is."""
    pairs = group_pairs(report)
    found = judged_closer(report)
    cards = task_cards(report)
    blocks: list[Any] = []
    if cards:
        blocks.append(Cards(items=cards))
    if found is not None and found.get("verdicts"):
        blocks.append(Paragraph(text=_reading(found), tone="reading"))
    if any(card.decision == CLOSE for card in cards):
        blocks.append(_how_to_close(report, found))
    others = tuple(sentence for sentence in (headline(report, x, y) for x, y in pairs[1:]) if sentence)
    if others:
        blocks += [Paragraph(text="The other pairs of groups:"), Sentences(items=others)]
    missing = []
    if pairs and not cards:
        missing.append("What each task loses or gains: this file holds none of the numbers for it; "
                       f"{measure_command(report)}, without --metrics, measures them.")  # fmt: skip
    if not pairs:
        missing.append(
            f"A gap needs two groups, and this file holds one; measure it beside a second: {_with_a_second(report)}."
        )
    return Section(
        name="verdict", title="Close the gap or leave it, task by task", blocks=tuple(blocks), missing=tuple(missing)
    )


def _reading(found: Mapping[str, Any]) -> str:
    """Say what the gains on the cards are those of, and how they were judged."""
    name = found.get("judged") or found.get("chosen")
    words = CLOSER_WORDS.get(str(name))
    what = "" if words is None else f"; it {words}"
    chosen = "" if name == found.get("chosen") else ", which was not good enough to be chosen"
    folds = (found.get("settings") or {}).get("folds")
    parts = "parts" if folds is None else f"{folds} parts"
    return (
        f"How to read the cards: a closer is a fitted map that moves vectors, or rescales scores, so that modalities "
        f"can be compared. Gains are those of {name}{chosen}{what}. Items were dealt into {parts}, each judged by a "
        f"closer that was fitted on the rest, so that it had not seen them. A part is a smaller corpus, in which a "
        f"match is easier to find: values before and after are mostly higher than those of all rows further down; "
        f"compare them with each other. Close it: the whole interval of the gain lies above 0. Leave it: no gain, or "
        f"a loss."
    )


def _how_to_close(report: GapReport, found: Mapping[str, Any] | None) -> Code:
    """Return the command that closes the gap of these vectors by what was chosen here."""
    chosen = None if found is None or found.get("chosen") in (None, "none") else str(found["chosen"])
    if is_sample(report):
        return Code(
            caption=(
                "To close it: crossgap demo has fitted a closer to this sample and put it beside this page, as "
                "closer.safetensors. For vectors of your own, this chooses a closer on held-out rows and writes it; it "
                "says how to apply it:"
            ),
            text=close_command(report),
        )
    if chosen is None:
        return Code(
            caption=(
                "To close it: this compares closers on held-out rows, writes the best one, or none if none gains, and "
                "says how to apply it:"
            ),
            text=close_command(report),
        )
    return Code(
        caption=(
            f"To close it: this fits {chosen} on all rows, judges it once more, writes it, and says how to apply it "
            f"(without --method it compares more closers first):"
        ),
        text=close_command(report, chosen),
    )


def _with_a_second(report: GapReport) -> str:
    """Return the command that measures a second group beside the one there is."""
    name = str(report.inputs[0]["group"]) if report.inputs else "image"
    return f"crossgap measure {SAMPLE if name in ('image', 'text') else f'{name}=FILE text=FILE'} --html gap.html"


def task_cards(report: GapReport) -> tuple[Card, ...]:
    """Return the cards: tasks of one name and one decision share a card."""
    pairs = group_pairs(report)
    if not pairs:
        return ()
    measured = [
        task
        for x, y in pairs
        for task in tasks(report, x, y)
        if task.decision is not None and ((x, y) == pairs[0] or task.task == "mixed search")
    ]
    closer = judged_closer(report)
    judged = [] if closer is None else [one for one in closer.get("verdicts") or () if isinstance(one, Mapping)]
    cards = []
    for name in dict.fromkeys([*_TITLES, *(str(one["task"]) for one in judged)]):
        now = [task for task in measured if task.task == name]
        by_decision: dict[str, list[Mapping[str, Any]]] = {}
        for one in judged:
            if one["task"] == name:
                by_decision.setdefault(str(one["verdict"]), []).append(one)
        if by_decision:
            cards += [_judged_card(name, decision, verdicts, now) for decision, verdicts in by_decision.items()]
        else:
            cards += _measured_cards(report, name, now)
    errors = [str(one["name"]) for one in findings(report, "error")]
    if errors:
        cards = [_doubted(card, errors) for card in cards]
    elif any(one["name"] == _PAIRS_IN_DOUBT for one in findings(report, "warning")):
        cards = [
            replace(card, certainty=f"Only if the pairs are right, which data health doubts. {card.certainty}")
            for card in cards
        ]
    return tuple(sorted(cards, key=lambda card: _ORDER.get(card.decision, len(_ORDER))))


def _doubted(card: Card, errors: list[str]) -> Card:
    """Take the decision from a card that rests on data with errors; its numbers stay."""
    if card.decision == NOT_MEASURED:
        return card
    return replace(
        card, decision=_CHECK, certainty=f"Not to be relied on: data health finds errors ({', '.join(errors)})."
    )


def _judged_card(name: str, decision: str, verdicts: list[Mapping[str, Any]], now: Iterable[Task]) -> Card:
    numbers = []
    for one in verdicts:
        way = _way(name, [str(group) for group in one["groups"]])
        quantity = _QUANTITIES.get(str(one.get("quantity")), str(one.get("quantity")))
        if one.get("before") is None or one.get("after") is None:
            numbers.append((way, f"{quantity} not measured", ""))
            continue
        change = one["after"] - one["before"]
        bounds = None if one.get("interval") is None else (one["interval"][0], one["interval"][1])
        numbers.append(
            (way, f"{quantity} {one['before']:.2f} → {one['after']:.2f}", with_bounds(change, bounds, 2, sign=True))
        )
    certainty = {
        CLOSE: "Sure: each gain's 95% interval lies above 0, on held-out rows.",
        LEAVE: "Sure enough: no interval shows a gain, on held-out rows.",
        "not enough data": "Unsure: the interval is too wide to tell a gain from a loss; more items would tell.",
    }.get(decision, "")
    if any(one.get("interval") is None for one in verdicts):
        certainty = "No interval: there are too few items for one."
    certainty = " ".join([certainty, *_little(decision, verdicts)]).strip()
    sentences = [str(one["sentence"]).replace(" -> ", " → ") for one in verdicts if one.get("sentence")]
    sentences += [f"As it is now. {task.sentence}" for task in now]
    return Card(
        task=_TITLES.get(name, name.capitalize()),
        about=_ABOUT.get(name, ""),
        decision=decision,
        numbers=tuple(numbers),
        sentences=tuple(sentences),
        certainty=certainty,
    )


def _little(decision: str, verdicts: list[Mapping[str, Any]]) -> Iterable[str]:
    """Say where even a clear gain leaves a task all but useless."""
    for quantity, (most, meaning) in _USELESS.items():
        after = [one["after"] for one in verdicts if one.get("quantity") == quantity and one.get("after") is not None]
        if decision == CLOSE and after and max(after) < most:
            yield meaning


def _measured_cards(report: GapReport, name: str, now: list[Task]) -> Iterable[Card]:
    """Yield the cards of a task that no closer was judged by: what the numbers alone say."""
    if not now:
        if name in ("mixed search", "retrieval across"):
            yield Card(
                task=_TITLES[name],
                about=_ABOUT_NOW.get(name, _ABOUT[name]),
                decision=NOT_MEASURED,
                numbers=(),
                sentences=(),
                certainty=_why_not(report, name),
            )
        return
    for decision in dict.fromkeys(str(task.decision) for task in now):
        same = [task for task in now if task.decision == decision]
        yield Card(
            task=_TITLES.get(name, name.capitalize()),
            about=_ABOUT_NOW.get(name, _ABOUT.get(name, "")),
            decision=decision,
            numbers=tuple(line for task in same for line in _now(task)),
            sentences=tuple(task.sentence for task in same),
            certainty=_without_a_judge(report, name, decision),
        )


def _without_a_judge(report: GapReport, name: str, decision: str) -> str:
    """Say how sure a decision is that no closer was tried for, and why none was."""
    tried = report.details.get("closers") or ()
    reason = next((str(one["reason"]) for one in tried if isinstance(one, Mapping) and one.get("reason")), None)
    unjudged = f"was not measured: {close_command(report)} tells"
    if reason is not None:
        unjudged = f"was not measured ({reason.partition(';')[0].rstrip('.')})"
    if decision == CLOSE:
        return f"{_COSTS.get(name, 'Sure that it costs')}; what closing gains {unjudged}."
    if decision == LEAVE:
        return f"Nothing is lost here; what closing would gain {unjudged}."
    return f"What closing would gain {unjudged}."


def _now(task: Task) -> Iterable[tuple[str, str, str]]:
    """Write the numbers of a task as it is now."""
    if task.task == "mixed search":
        share = task.numbers[0]
        bounds = "" if share.interval is None else f"[{share.interval[0]:.1%}, {share.interval[1]:.1%}]"
        yield (
            f"{share.groups[0]} searching, top {share.options['k']}",
            f"{share.value:.1%} {share.groups[1]}",
            f"{bounds} in the list, {share.options['corpus_share']:.1%} in the corpus".strip(),
        )
    elif task.task == "one threshold":
        for found in task.numbers:
            x, *rest = found.groups
            what = {
                "matched_cosine": "a match",
                "unmatched_cosine": f"{x} and {rest[0] if rest else x} that do not match",
            }.get(found.name, f"any two of {x}")
            value, _, more = told(found, 2).partition(" ")
            yield what, f"cosine {value}", more
    else:
        for found in task.numbers:
            value, _, more = told(found, 2).partition(" ")
            yield " to ".join(found.groups), f"recall@{found.options.get('k', 1)} {value}", more


def _way(name: str, groups: list[str]) -> str:
    if name == "mixed search":
        return f"{groups[0]} searching"
    if name == "zero-shot":
        return " by ".join(groups)
    return (" to " if name == "retrieval across" else " and ").join(groups)


def _why_not(report: GapReport, name: str) -> str:
    """Say why a task has no numbers."""
    quantity = {"mixed search": "modality_share_at_k", "retrieval across": "recall_at_k"}[name]
    found = report.find(quantity)
    if found is None:
        return f"This file holds no {quantity}; {measure_command(report)} measures it."
    if found.reason is not None:
        if not found.reason.startswith("needs"):
            return found.reason
        ids = " Give both groups item ids (in Parquet a column item), and measure again." * ("item id" in found.reason)
        return f"It {found.reason.rstrip('.')}.{ids}"
    return "The corpus is too small to judge: fewer than three lists of ten."
