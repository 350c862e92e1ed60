"""Train a decoder on the texts of one group of embeddings, and make a captioner of it."""

import copy
import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossgap.errors import DegenerateError, FormatError
from crossgap.geometry.rows import materialise
from crossgap.train import Step, TrainingRun, adamw, constant_schedule, cosine_schedule, linear_schedule
from crossgap.train.checkpoint import model_state
from crossgap.train.tensor_file import read_tensors, write_tensors
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.preparation import Preparation
from crossgap.transfer.prepared_captions import PreparedCaptions
from crossgap.transfer.token_loss import token_loss

__all__ = ["CaptionerRun", "Progress", "finish", "fit_captioner"]

_STREAM = 0x417
_BLOCK = 65_536  # rows that are checked at a time
_LEAST_JUDGED, _MOST_JUDGED = 20, 1000  # rows that the effect of the row is measured on
Progress = Callable[[int, int, str], None]


class CaptionerRun:
    """The training of a decoder, step by step: iterate it; the weights with the lowest held-out loss are kept.

    Formula::

        step          token_loss(decoder(prepared rows + noise of the epoch), tokens)      rows of the group learned on
        each epoch    the same without gradient on held-out rows, with noise (D2); the lowest is kept

    How to read it: the training sees one group alone. ``row_gain`` says by how many nats a token the row helps; near 0
    the decoder writes what is likely in any case and ignores its row.

    Parameters
    ----------
    decoder
        A trainable decoder (``TransformerDecoder``, ``ClipCap``); it is trained in place.
    preparation
        A fitted ``Preparation`` of the decoder's dimension.
    rows, texts
        Rows (n, d) of the group that is learned on, and the text of each.
    settings
        See ``FitSettings``.
    held_out
        Share of the rows (of the items, where they are given) that validate, rounded down: of fewer than 20 none at
        0.05. Where none validates the last weights are kept.
    items
        The item of each row: then whole items are held out, so that no item is on both sides.
    group
        None: rows of the group learned on, with noise. A name: rows of that group without noise; see ``fine_tune``.
    judge
        ``judge(decoder) -> float`` after each epoch, in place of the loss of held-out rows; lower is better.

    Attributes
    ----------
    run
        The ``TrainingRun``; ``run.step`` and ``run.total_steps`` say where it is.
    losses
        What each epoch was judged by, in order.

    Raises
    ------
    ValueError
        If rows, texts and items differ in number, a text is empty, a row is not finite, or the dimension is another
        one.
    DegenerateError
        If fewer than two captions are left to train on.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> from crossgap.transfer.caption_tokens import CaptionTokens
    >>> from crossgap.transfer.transformer_decoder import TransformerDecoder
    >>> rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    >>> texts = ["a dog" if row[0] > 0 else "a cat" for row in rows]
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=rows), arm="C1")
    >>> tokens = CaptionTokens.from_texts(texts, size=280)
    >>> decoder = TransformerDecoder(tokens, dimension=8, width=16, layers=1, most_tokens=8, dropout=0.0)
    >>> run = CaptionerRun(decoder, preparation, rows, texts, settings=FitSettings(batch_size=16, epochs=40))
    >>> losses = [step.loss for step in run]
    >>> len(losses) == run.run.total_steps, losses[-1] < losses[0] / 2
    (True, True)
    """

    def __init__(
        self,
        decoder: Any,
        preparation: Preparation,
        rows: Any,
        texts: Sequence[str],
        *,
        settings: FitSettings | None = None,
        held_out: float = 0.05,
        items: Any = None,
        group: str | None = None,
        judge: Callable[[Any], float] | None = None,
    ) -> None:
        self.decoder, self.preparation, self.group = decoder, preparation, group
        self.settings = settings = FitSettings() if settings is None else settings
        found = _checked(decoder, preparation, rows, texts, group)
        training, held = _split(len(found), held_out, items, settings.seed)
        if len(training) < 2:
            raise DegenerateError(
                f"there must be at least two captions to train on, but {len(training)} of {len(found)} "
                f"{'is' if len(training) == 1 else 'are'} left; give more captions, or take the nearest caption, which "
                f"is not trained."
            )
        tokens = decoder.tokens_of(list(texts))
        self.pairs = PreparedCaptions(found[training], tokens[training], preparation, group=group)
        self._held = self._prepared(found[held], tokens[held], offset=len(found) + held) if len(held) else None
        self._judge = judge
        _place(decoder, settings.device)
        whole, rest = divmod(len(training), settings.batch_size)
        self.run = TrainingRun(
            decoder,
            functools.partial(token_loss, label_smoothing=settings.label_smoothing),
            self.pairs,
            optimiser=adamw(
                decoder,
                learning_rate=settings.learning_rate,
                weight_decay=settings.weight_decay,
                betas=settings.betas,
                decay_all=settings.decay_all,
            ),
            schedule=_schedule(settings, (whole + (rest >= 2)) * settings.epochs),
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
            precision=settings.precision,
            gradient_clip=settings.gradient_clip,
        )
        self.losses: list[float] = []
        self._best: tuple[int, float, dict[str, Tensor]] | None = None
        self._written: int | None = None  # step of the best weights on the disk

    @property
    def chance_loss(self) -> float:
        """Entropy of the training tokens, in nats: the loss of a decoder that knows how often each token comes."""
        _, counts = torch.unique(self.pairs.tokens[self.pairs.tokens >= 0], return_counts=True)
        shares = counts.double() / counts.sum()
        return float(-(shares * shares.log()).sum())

    @property
    def best_epoch(self) -> int | None:
        """Epoch, from 0, whose weights are kept; None before the first, and where nothing validates."""
        return None if self._best is None else self._best[0] // self.run.steps_per_epoch - 1

    def __iter__(self) -> Iterator[Step]:
        """Take the steps that are left; an epoch's last step comes with its validation."""
        for step in self.run:
            if self.run.step % self.run.steps_per_epoch == 0:
                self._validate()
            yield step

    def validation_loss(self) -> float | None:
        """Mean loss of a token of the held-out rows, with noise; None where nothing is held out."""
        if self._held is None:
            return None
        return float(self._token_losses(self.decoder, *self._held).mean())

    def row_gain(self) -> float:
        """Return by how many nats a token the row of a caption beats another caption's row.

        Formula::

            mean loss of a token with rows shifted by half of all  -  mean loss with own rows

        How to read it: near 0 the decoder ignores its row. At most 1,000 held-out rows (of training, where there are
        fewer than 20) are looked at, with noise as in training.
        """
        return self._row_gain(self.decoder)

    def save(self, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> None:
        """Write all that the next steps depend on; the best weights lie beside it: ``<name>.best-<step>.safetensors``.

        Best weights are written before the file that names their step, and older ones removed after it, so that a
        process killed at any moment leaves a file and the weights that belong to it.
        """
        best = None if self._best is None else {"step": self._best[0], "loss": self._best[1]}
        if self._best is not None and self._best[0] != self._written:
            step, _, weights = self._best
            write_tensors(_best_path(path, step), weights, {"kind": "best", "step": step})
            self._written = step
        own = {"best": best, "losses": self.losses, "decoder": self.decoder.settings, "notes": dict(notes or {})}
        self.run.save(path, notes=own)
        _remove_best(path, but=self._written)

    def restore(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Go to where a saved run was, and return the notes; see ``TrainingRun.restore``.

        Raises
        ------
        FormatError
            If a file is damaged or foreign, or the best weights are missing.
        ValueError
            If it was saved with another decoder, preparation, settings, rows or texts.
        OSError
            If there is no such file.
        """
        kept = self.run.restore(path)
        if not {"best", "losses", "decoder", "notes"} <= set(kept):
            raise FormatError(f"{os.fspath(path)!r} is the checkpoint of another kind of run; begin a new one.")
        if kept["decoder"] != _plain(self.decoder.settings):
            raise ValueError(
                f"{os.fspath(path)!r} was saved with a decoder of other settings ({kept['decoder']}); give the one it "
                f"was saved with, or begin a new run."
            )
        self.losses, self._best, self._written = list(kept["losses"]), None, None
        if kept["best"] is not None:
            step, loss = kept["best"]["step"], kept["best"]["loss"]
            weights, record = read_tensors(_best_path(path, step))
            if record.get("kind") != "best" or record.get("step") != step:
                raise FormatError(
                    f"{str(_best_path(path, step))!r} does not belong to {os.fspath(path)!r}; begin a new run."
                )
            self._best, self._written = (step, loss, weights), step
        return kept["notes"]

    def captioner(self) -> Captioner:
        """Return a captioner with the best weights so far; of a run that is over, it holds the decoder itself."""
        over = self.run.step >= self.run.total_steps
        decoder = self.decoder if over else copy.deepcopy(self.decoder)
        if self._best is not None:
            decoder.load_state_dict(self._best[2])
        facts = {
            "group": self.preparation.learn_on if self.group is None else self.group,
            "texts": len(self.pairs),
            "held_out": 0 if self._held is None else len(self._held[0]),
            "steps": self.run.step,
            "best_epoch": self.best_epoch,
            "validation_loss": None if self._best is None else self._best[1],
            "chance_loss": self.chance_loss,
            "row_gain": self._row_gain(decoder),
            "settings": asdict(self.settings),
        }
        return Captioner(self.preparation, decoder.eval(), facts)

    def _row_gain(self, decoder: Any) -> float:
        if self._held is not None and len(self._held[0]) >= _LEAST_JUDGED:
            rows, tokens = (part[:_MOST_JUDGED] for part in self._held)
        else:
            rows, tokens = self.pairs.batch(torch.arange(min(len(self.pairs), _MOST_JUDGED)), 0)
        own = self._token_losses(decoder, rows, tokens)
        others = self._token_losses(decoder, rows.roll(len(rows) // 2, dims=0), tokens)
        return float((others - own).mean())

    def _validate(self) -> None:
        loss = self._judge(self.decoder.eval()) if self._judge is not None else self.validation_loss()
        if loss is None:
            return
        self.losses.append(loss)
        if self._best is None or loss < self._best[1]:
            kept = {name: values.cpu().clone() for name, values in model_state(self.decoder).items()}
            self._best = (self.run.step, loss, kept)

    def _prepared(self, rows: np.ndarray, tokens: Tensor, *, offset: np.ndarray) -> tuple[Tensor, Tensor]:
        if self.group is not None:
            return torch.from_numpy(self.preparation.rows(rows, self.group)), tokens
        return torch.from_numpy(self.preparation.training_rows(rows, epoch=0, index=offset)), tokens

    def _token_losses(self, decoder: Any, rows: Tensor, tokens: Tensor) -> Tensor:
        """Return the loss of each real token, in the order of the captions."""
        device, found = torch.device(self.settings.device), []
        dtype = torch.bfloat16 if self.settings.precision == "bf16" else torch.float16
        cast = nullcontext() if self.settings.precision == "float32" else torch.autocast(device.type, dtype)
        decoder.eval()
        with torch.inference_mode(), cast:
            for start in range(0, len(rows), self.settings.batch_size):
                part = tokens[start : start + self.settings.batch_size]
                part = part[:, : int((part >= 0).sum(dim=1).max())]
                logits, targets = decoder(rows[start : start + len(part)].to(device), part.to(device))
                found.append(nn.functional.cross_entropy(logits.float(), targets, reduction="none").double().cpu())
        return torch.cat(found)


def fit_captioner(
    decoder: Any,
    preparation: Preparation,
    rows: Any,
    texts: Sequence[str],
    *,
    settings: FitSettings | None = None,
    held_out: float = 0.05,
    items: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 500,
    progress: Progress | None = None,
) -> Captioner:
    """Train a decoder on prepared rows of one group and their texts, and return the captioner.

    How to read it: nothing but rows and texts of one group goes in; rows of any other group that the preparation knows
    can be captioned afterwards.

    Parameters
    ----------
    decoder, preparation, rows, texts, settings, held_out, items
        As in ``CaptionerRun``.
    checkpoint, checkpoint_every
        A ``.safetensors`` path: the run is saved there every so many steps and at the end, and where it exists the run
        goes on from it, with the same result as one that was never stopped.
    progress
        ``progress(step, total, text)`` after each step.

    Raises
    ------
    ValueError, DegenerateError
        As ``CaptionerRun``; and if the checkpoint is that of another run.
    FormatError
        If the checkpoint is damaged.
    OSError
        If there is no folder for the checkpoint.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567.

    Examples
    --------
    Learned from texts alone, used on pictures: both groups lie about means of their own.

    >>> from crossgap.data import Embeddings
    >>> from crossgap.transfer.caption_tokens import CaptionTokens
    >>> from crossgap.transfer.transformer_decoder import TransformerDecoder
    >>> draws = np.random.default_rng(0)
    >>> meaning = draws.normal(size=(60, 6)).astype(np.float32)
    >>> text, image = meaning + 2 * np.eye(6)[0], meaning + 2 * np.eye(6)[1]
    >>> captions = ["a dog" if row[5] > 0 else "a cat" for row in meaning]
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=text, image=image), arm="C3", variance=0.01)
    >>> tokens = CaptionTokens.from_texts(captions, size=280)
    >>> decoder = TransformerDecoder(tokens, dimension=6, width=16, layers=1, most_tokens=8, dropout=0.0)
    >>> settings = FitSettings(batch_size=20, epochs=60, learning_rate=0.02)
    >>> captioner = fit_captioner(decoder, preparation, text, captions, settings=settings)
    >>> found = captioner.caption(image, group="image")
    >>> sum(a.text == b for a, b in zip(found, captions, strict=True)) > 50
    True
    """
    run = CaptionerRun(decoder, preparation, rows, texts, settings=settings, held_out=held_out, items=items)
    return finish(run, checkpoint, checkpoint_every, progress)


def finish(
    run: CaptionerRun, checkpoint: str | os.PathLike[str] | None, every: int, progress: Progress | None
) -> Captioner:
    """Take all steps of a run, from its checkpoint where there is one, and return its captioner."""
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"checkpoint_every must be a whole number of at least 1, but it is {every!r}; change it.")
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder for the checkpoint {os.fspath(checkpoint)!r}; make it first.")
    if checkpoint is not None and Path(checkpoint).exists():
        run.restore(checkpoint)
    for step in run:
        done, total = run.run.step, run.run.total_steps
        if checkpoint is not None and (done == total or done % every == 0):
            run.save(checkpoint)
        if progress is not None:
            progress(done, total, f"loss {step.loss:.3f}")
    return run.captioner()


def _checked(decoder: Any, preparation: Preparation, rows: Any, texts: Sequence[str], group: str | None) -> np.ndarray:
    if not callable(getattr(decoder, "tokens_of", None)):
        raise TypeError(
            f"decoder must be one that is trained, but it is a {type(decoder).__name__}; put it into a Captioner as "
            f"it is."
        )
    if decoder.dimension != preparation.dimension:
        raise ValueError(
            f"decoder must take rows of {preparation.dimension} dimensions, as the preparation gives them, but it "
            f"takes {decoder.dimension}; build it with dimension={preparation.dimension}."
        )
    found = np.asarray(materialise(rows))
    if isinstance(texts, str) or len(found) != len(texts):
        count = "one string" if isinstance(texts, str) else f"{len(texts)} texts"
        raise ValueError(f"there must be one text a row, but there are {len(found)} rows and {count}; align them.")
    odd = [number for number, text in enumerate(texts) if not isinstance(text, str) or not text.strip()]
    if odd:
        raise ValueError(
            f"texts must have words, but {len(odd)} of {len(texts)} are empty (the first is of row {odd[0]}); leave "
            f"such rows out."
        )
    for start in range(0, len(found), _BLOCK):  # fails on what cannot be prepared
        preparation.rows(found[start : start + _BLOCK], preparation.learn_on if group is None else group)
    return found


def _place(decoder: Any, device: str) -> None:
    try:
        decoder.to(device)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        why = " ".join(str(error).split()).rstrip(".")[:200]
        raise ValueError(f"device must be one that is here, but {device!r} is not ({why}); take 'cpu'.") from error


def _schedule(settings: FitSettings, steps: int) -> Callable[[int], float]:
    warm = min(settings.warmup_steps, steps // 4)
    if settings.schedule == "constant":
        return constant_schedule(warm)
    return (linear_schedule if settings.schedule == "linear" else cosine_schedule)(warm, steps)


def _split(n: int, held_out: float, items: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows to train on and of those held out, ascending; items stay whole."""
    if isinstance(held_out, bool) or not isinstance(held_out, int | float) or not 0 <= held_out < 1:
        raise ValueError(f"held_out must be a share from 0 up to 1, but it is {held_out!r}; 0.05 suits most.")
    ids = np.arange(n) if items is None else np.asarray(items)
    if ids.shape != (n,):
        raise ValueError(f"items must hold one id for each of the {n} rows, but its shape is {ids.shape}.")
    try:
        kinds, number = np.unique(ids, return_inverse=True)
    except TypeError:
        raise ValueError("items must be ids of one type, all numbers or all strings, but they are mixed.") from None
    order = np.random.default_rng([seed, _STREAM]).permutation(len(kinds))
    held = np.isin(number, order[: int(held_out * len(kinds))])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _remove_best(path: str | os.PathLike[str], *, but: int | None = None) -> None:
    """Remove the best weights beside a checkpoint, those of the step ``but`` excepted."""
    path = Path(path)
    named = re.compile(rf"{re.escape(path.stem)}\.best-([0-9]+)\.safetensors")
    for file in path.parent.iterdir():
        found = named.fullmatch(file.name)
        if found and int(found[1]) != but:
            file.unlink(missing_ok=True)


def _best_path(path: str | os.PathLike[str], step: int) -> Path:
    return Path(path).with_suffix(f".best-{step}.safetensors")


def _plain(settings: Any) -> Any:
    return json.loads(json.dumps(settings))
