"""D5: train a captioner further on paired rows of another group."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crossgap.evaluate.captions.rouge_l import rouge_l
from crossgap.geometry.rows import materialise
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.decoding import Decoding
from crossgap.transfer.fit import CaptionerRun, Progress, finish
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.preparation import Preparation

__all__ = ["fine_tune"]


def fine_tune(
    captioner: Captioner,
    rows: Any,
    texts: Sequence[str],
    *,
    group: str,
    settings: FitSettings | None = None,
    renormalise: bool = True,
    held_out: float = 0.0,
    items: Any = None,
    validation: tuple[Any, Sequence[Sequence[str]]] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 500,
    progress: Progress | None = None,
) -> Captioner:
    """Train a captioner further on rows of a group with their texts, and return a new one; the old one stays as it is.

    Formula::

        e = norm(norm(x) - m_g [collapse])       no noise; the last normalisation with ``renormalise`` only

    How to read it: for the case that some pairs are there after all. The fewer they are, the more a start from text
    alone is worth. Collapse is as it was in the captioner.

    Parameters
    ----------
    captioner
        A fitted one with a trainable decoder.
    rows, texts
        Rows (n, d) of the group, and the text of each; a picture with five texts comes five times.
    group
        Which group they are of; the captioner must know it.
    settings
        See ``FitSettings``.
    renormalise
        False leaves collapsed rows at the length that is left, in training and in use, as C3's code does (erratum 20).
    held_out, items
        As in ``CaptionerRun``: share of the pairs whose token loss says which epoch is kept.
    validation
        Rows of the group and the references of each: then the epoch with the highest ROUGE-L of greedy captions is
        kept (D5), and nothing need be held out. The fact "kept_by" says what it was kept by: "rouge_l", "token_loss" or
        "last".
    checkpoint, checkpoint_every, progress
        As in ``fit_captioner``.

    Raises
    ------
    ValueError, DegenerateError
        As ``CaptionerRun``; and if there is no mean for the group.
    TypeError
        If the decoder is not trained.
    FormatError
        If the checkpoint is damaged.

    Notes
    -----
    C3 takes a learning rate of 2e-5, 10 epochs, batches of 40 and 5,000 warm-up steps times the share of the pairs.
    Where nothing validates, the last weights are kept.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 5 (low data).

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> from crossgap.transfer.caption_tokens import CaptionTokens
    >>> from crossgap.transfer.transformer_decoder import TransformerDecoder
    >>> rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    >>> captions = ["a dog" if row[0] > 0 else "a cat" for row in rows]
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=rows, image=-rows), arm="C2_1")
    >>> tokens = CaptionTokens.from_texts(captions, size=280)
    >>> decoder = TransformerDecoder(tokens, dimension=6, width=16, layers=1, most_tokens=8, dropout=0.0)
    >>> start = Captioner(preparation, decoder)
    >>> settings = FitSettings(batch_size=20, epochs=60, learning_rate=0.02)
    >>> tuned = fine_tune(start, -rows, captions, group="image", settings=settings)
    >>> found = tuned.caption(-rows, group="image")
    >>> sum(a.text == b for a, b in zip(found, captions, strict=True)) > 35, tuned.facts["group"]
    (True, 'image')
    """
    preparation = _without_noise(captioner.preparation, renormalise)
    judge = None if validation is None else _rouge_l_judge(preparation, group, *validation)
    run = CaptionerRun(
        copy.deepcopy(captioner.decoder),
        preparation,
        rows,
        texts,
        settings=settings,
        held_out=held_out,
        items=items,
        group=group,
        judge=judge,
    )
    tuned = finish(run, checkpoint, checkpoint_every, progress)
    facts = {**tuned.facts, "renormalise": renormalise, **_kept_by(tuned.facts, judge is not None)}
    return Captioner(preparation, tuned.decoder, {**facts, "before": captioner.facts}, means=captioner.means)


def _without_noise(preparation: Preparation, renormalise: bool) -> Preparation:
    corruption = copy.deepcopy(preparation.corruption)
    corruption.renormalise = renormalise
    return Preparation(corruption, arm=preparation.arm, learn_on=preparation.learn_on, closer=preparation.closer)


def _rouge_l_judge(
    preparation: Preparation, group: str, rows: Any, references: Sequence[Sequence[str]]
) -> Callable[[Any], float]:
    """Return a function from a decoder to minus the ROUGE-L of its captions."""
    rows = np.asarray(materialise(rows))
    if len(rows) != len(references):
        raise ValueError(
            f"validation must have references for each of its {len(rows)} rows, but there are {len(references)}; align "
            f"them."
        )

    def judge(decoder: Any) -> float:
        found = Captioner(preparation, decoder).caption(rows, group=group, decoding=Decoding())
        return -float(rouge_l([caption.text for caption in found], references))

    return judge


def _kept_by(facts: Mapping[str, Any], judged: bool) -> dict[str, Any]:
    """Return what chose the epoch, and the ROUGE-L apart from the losses."""
    if judged:
        return {"kept_by": "rouge_l", "validation_rouge_l": -facts["validation_loss"], "validation_loss": None}
    return {"kept_by": "token_loss" if facts["held_out"] else "last"}
