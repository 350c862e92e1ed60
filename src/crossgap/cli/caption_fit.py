"""One fit of ``crossgap caption fit``: what is read, what is built, the steps, and what is said of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from crossgap.cli.caption_settings import FitRequest, clipcap, fit_settings
from crossgap.cli.caption_texts import texts_of
from crossgap.cli.captioner_folder import CaptionerFolder
from crossgap.cli.progress import CountBar, count_bar
from crossgap.cli.run_folder import Records
from crossgap.cli.stop_signal import stop_signal
from crossgap.cli.text import closest_names

if TYPE_CHECKING:
    from crossgap.close import NoiseEstimate
    from crossgap.data import Embeddings
    from crossgap.train import Alarm, Step
    from crossgap.transfer import Captioner, CaptionerRun, Preparation

__all__ = ["CaptionFit"]

_MEASURED_ROWS = 10_000  # on which the noise within items is measured
_CLOCK = 300.0  # seconds between checkpoints where they are not counted in steps


_ARMS = {
    "C1": "rows as they are",
    "C2_1": "means are taken away (collapse)",
    "C2_2": "noise in training (corrupt)",
    "C3": "means are taken away (collapse), noise in training (corrupt)",
}


class CaptionFit:
    """Rows and texts, the preparation, the decoder, and the run over them.

    Attributes
    ----------
    notes
        What is worth saying before the first step.
    alarms
        All alarms of the run.
    saved_step
        Step of the checkpoint.
    """

    def __init__(self, request: FitRequest, folder: CaptionerFolder) -> None:
        self.request, self.folder = request, folder
        self.settings, self.shape, others = fit_settings(request)
        self.held_out, self.checkpoint_every = others.get("held_out", 0.0), others.get("checkpoint_every")
        self.notes: list[str] = []
        self.alarms: list[Alarm] = []
        self.saved_step, self._saved_at = 0, monotonic()
        self.left_out = 0
        self.embeddings, self.texts = self._read()
        self.rows = self.embeddings[request.learn_on].vectors
        self.preparation = self._prepare()
        self.measured = self._measure_noise()
        self.decoder = self._decoder()
        self.cut = getattr(self.decoder, "count_cut", lambda texts: 0)(self.texts)
        self.run = None if request.decoder == "nearest" else self._training()
        self.notes += self._advice()

    def restore(self) -> None:
        """Go to where a fit was stopped."""
        if self.run is None or not self.folder.is_begun:
            return
        self._check_same()
        self.run.restore(self.folder.checkpoint)
        self.saved_step = self.run.run.step

    def take_steps(self, say: Callable[[str], None]) -> None:
        """Take the steps that are left; on Ctrl-C finish the step in hand, save and raise ``KeyboardInterrupt``."""
        if self.run is None:
            return
        run, inner = self.run, self.run.run
        self.folder.begin()
        watch = self._watch()
        with (
            stop_signal() as stopped,
            Records(self.folder.records, step=inner.step) as records,
            count_bar() as bar,
        ):
            for record in records.kept:
                if record["event"] == "step":
                    watch.step(_step_of(record))
            if inner.step == 0:
                self._save(records)
            steps = iter(run)
            while inner.step < inner.total_steps:
                step = next(steps)
                records.write(_record_of(step))
                self._tell(watch.step(step), records, bar)
                bar.show(inner.step, inner.total_steps, f"loss {step.loss:.3f}")
                if inner.step % inner.steps_per_epoch == 0 and not bar.is_shown:
                    say(self._epoch_line(step))
                if stopped() or inner.step == inner.total_steps or self._is_due(inner.step):
                    self._save(records)
                if stopped() and inner.step < inner.total_steps:
                    raise KeyboardInterrupt
        self.alarms = list(watch.raised)

    def finish(self) -> dict[str, Any]:
        """Write the captioner, remove what only the fit needed, and return its record."""
        from crossgap.transfer.captioner_file import read_captioner_record

        made = self.captioner()
        self.folder.path.mkdir(exist_ok=True)
        made.save(self.folder.path)
        self.folder.end()
        return read_captioner_record(self.folder.path)

    def captioner(self) -> "Captioner":
        """Return the captioner, with what is known of its fit."""
        from crossgap.transfer import Captioner

        made = None if self.run is None else self.run.captioner()
        request, corruption = self.request, self.preparation.corruption
        facts = {
            "sources": list(request.sources),
            "text": request.text,
            "rows": {name: len(group) for name, group in self.embeddings.items()},
            "group": request.learn_on,
            "texts": len(self.texts),
            "left_out": self.left_out,
            "cut": self.cut,
            "noise": {
                "kind": corruption.noise,
                "subspace": corruption.noise_subspace,
                "variance": float(corruption.variance_),
                "expected_cosine": self.expected_cosine(),
            },
            "measured_noise": None if self.measured is None else self.measured.variance,
            "seed": request.seed,
            **({} if made is None else made.facts),
        }
        decoder = self.decoder if made is None else made.decoder
        return Captioner(self.preparation, decoder, facts, means=self._means())

    def expected_cosine(self) -> float:
        """Return the cosine of a prepared row and its noised copy that is expected in training."""
        from crossgap.close import expected_cosine

        corruption = self.preparation.corruption
        return expected_cosine(float(corruption.variance_), self.preparation.dimension, length=corruption.length_)

    # what is read and built

    def _read(self) -> tuple["Embeddings", list[str]]:
        import numpy as np

        from crossgap.cli.text import chosen_groups
        from crossgap.data import Embeddings, read_groups

        request = self.request
        found = read_groups(*request.sources)
        self.notes += [f"not used: {note}" for note in found.notes]
        names = chosen_groups(None if request.groups is None else ",".join(request.groups), found.groups)
        if request.learn_on not in names:
            raise ValueError(
                f"there is no group {request.learn_on!r} to learn on; {closest_names(request.learn_on, names)[:-1]} "
                f"with --learn-on."
            )
        whole = Embeddings({name: found.groups[name] for name in names})
        group = whole[request.learn_on]
        texts = texts_of(group, request.learn_on, request.text)
        kept = np.flatnonzero([bool(text.strip()) for text in texts])
        self.left_out = len(texts) - len(kept)
        if not len(kept):
            raise ValueError(f"all {len(texts):,} texts of {request.learn_on!r} are empty; give some with words.")
        if self.left_out:
            whole = Embeddings({**whole, request.learn_on: group.take(kept)})
        return whole, [texts[number] for number in kept]

    def _prepare(self) -> "Preparation":
        from crossgap.transfer import Preparation

        request = self.request
        if request.target_cosine is not None and request.variance is not None:
            raise ValueError("--target-cosine and --variance both say how large the noise is; leave one out.")
        arm: Any = request.arm
        return Preparation.fit(
            self.embeddings,
            arm=arm,
            learn_on=request.learn_on,
            variance=0.016 if request.variance is None else request.variance,
            target_cosine=request.target_cosine,
            noise=request.noise,
            noise_subspace=request.noise_subspace,
            seed=request.seed,
        )

    def _measure_noise(self) -> "NoiseEstimate | None":
        """Measure the spread of several texts of one item, where there are any."""
        import numpy as np

        from crossgap.close import estimate_noise
        from crossgap.errors import DegenerateError

        group = self.embeddings[self.request.learn_on]
        if group.items is None:
            return None
        _, number, sizes = np.unique(group.items, return_inverse=True, return_counts=True)
        several = np.flatnonzero(sizes[number] > 1)
        if not len(several):
            return None
        order = several[np.argsort(number[several], kind="stable")][:_MEASURED_ROWS]
        try:
            return estimate_noise(np.asarray(group.take(order).vectors), group.items[order], seed=self.request.seed)
        except DegenerateError as error:
            self.notes.append(str(error))
            return None

    def _decoder(self) -> Any:
        request, dimension = self.request, self.preparation.dimension
        shape = dict(self.shape)
        if request.decoder == "nearest":
            from crossgap.transfer.nearest_caption import NearestCaption

            return NearestCaption(self.preparation.rows(self.rows, request.learn_on), self.texts)
        if request.decoder == "clipcap":
            return clipcap(request, dimension, shape, self.texts)
        from crossgap.transfer import CaptionTokens, TransformerDecoder

        tokens = CaptionTokens.from_texts(self.texts, size=shape.pop("vocabulary"))
        return TransformerDecoder(tokens, dimension=dimension, seed=request.seed, **shape)

    def _training(self) -> "CaptionerRun":
        from crossgap.transfer import CaptionerRun

        return CaptionerRun(
            self.decoder,
            self.preparation,
            self.rows,
            self.texts,
            settings=self.settings,
            held_out=self.held_out,
            items=self.embeddings[self.request.learn_on].items,
        )

    def _means(self) -> dict[str, Any]:
        from crossgap.geometry.rows import materialise, unit_rows

        return {
            name: unit_rows(materialise(group.vectors), name=name).mean(axis=0)
            for name, group in self.embeddings.items()
        }

    # the steps

    def _watch(self) -> Any:
        from crossgap.train import CollapseAlarm

        if self.run is None or self.settings.label_smoothing > 0:  # then the loss of chance is another one
            return CollapseAlarm()
        return CollapseAlarm(chance_loss=self.run.chance_loss)

    def _save(self, records: Records) -> None:
        if self.run is None:
            return
        records.flush()
        self.run.save(self.folder.checkpoint, notes={"request": self.request.must_agree()})
        self.saved_step, self._saved_at = self.run.run.step, monotonic()

    def _is_due(self, step: int) -> bool:
        """Whether a checkpoint is due: every so many steps, or by the clock."""
        if self.checkpoint_every is None:
            return monotonic() - self._saved_at >= _CLOCK
        return step % self.checkpoint_every == 0

    def _check_same(self) -> None:
        """Refuse to go on under other settings than the fit was begun with, and name the first of them."""
        from crossgap.train.tensor_file import read_record

        notes = read_record(self.folder.checkpoint).get("notes", {})
        begun = notes.get("notes", {}).get("request", {}) if isinstance(notes, dict) else {}
        now = json.loads(json.dumps(self.request.must_agree()))
        for key, value in begun.items():
            if key in now and now[key] != value:
                raise ValueError(
                    f"the fit in {str(self.folder.path)!r} was begun with {key.replace('_', '-')} = {value!r}, but now "
                    f"it is {now[key]!r}; give what it was begun with, or begin another one with -o."
                )

    def _tell(self, alarms: tuple["Alarm", ...], records: Records, bar: CountBar) -> None:
        from crossgap.cli.training_loop import alarm_record

        for alarm in alarms:
            records.write({"event": "alarm", **alarm_record(alarm)})
            bar.say(f"alarm: {alarm}")

    def _epoch_line(self, step: "Step") -> str:
        run = self.run
        held = f", held out {run.losses[-1]:.3f}" if run is not None and run.losses else ""
        return f"epoch {step.epoch + 1}/{self.settings.epochs}: loss {step.loss:.3f}{held}"

    # what is said

    def head(self) -> Iterator[str]:
        """Yield what is known before the first step."""
        request, preparation = self.request, self.preparation
        gone = f"; {self.left_out:,} empty ones left out" if self.left_out else ""
        cut = f"; {self.cut:,} are longer than {self.decoder.most_tokens} tokens and cut" if self.cut else ""
        yield f"{request.learn_on}: {len(self.texts):,} captions to learn from{gone}{cut}"
        rows = ", ".join(f"{name} ({len(group):,} rows)" for name, group in self.embeddings.items())
        yield f"{'means of' if preparation.collapses else 'groups:'} {rows}, {preparation.dimension} dimensions"
        yield f"arm {request.arm}: {_ARMS[request.arm]}{self._noise_words()}"
        if self.run is None:
            yield from self.notes
            yield "nearest caption: nothing is trained, so there is no noise"
            return
        if self.measured is not None:
            yield self.measured.sentence()
        elif preparation.corruption.variance_ > 0:
            yield f"no item has several rows of {request.learn_on}, so its own noise could not be measured"
        yield from self.notes
        inner, kept = self.run.run, sum(values.numel() for values in self.decoder.parameters())
        yield f"{request.decoder} decoder of {kept:,} parameters, seed {request.seed}"
        held = len(self.texts) - len(self.run.pairs)
        epochs = "1 epoch" if inner.epochs == 1 else f"{inner.epochs} epochs"
        yield (
            f"{inner.total_steps:,} steps of {min(inner.batch_size, len(self.run.pairs))} captions in {epochs}, "
            f"{held:,} held out"
        )
        if inner.step:
            yield f"goes on at step {inner.step} of {inner.total_steps}"
        yield ""

    def _advice(self) -> Iterator[str]:
        """Yield which of the given options change nothing, and what captioning will need besides."""
        request = self.request
        noise = {"--target-cosine": request.target_cosine, "--variance": request.variance}
        noise = [name for name, value in noise.items() if value is not None]
        if self.run is None and request.epochs is not None:
            noise.append("--epochs")
        if noise and self.run is None:
            yield f"{' and '.join(noise)} change nothing here: the decoder nearest is not trained"
        elif noise and request.arm not in ("C2_2", "C3"):
            yield f"{' and '.join(noise)} change nothing here: arm {request.arm} has no noise"
        if self.preparation.collapses and len(self.embeddings) == 1:
            yield (
                f"only {request.learn_on} has rows here, so captioning another group will need its mean: --means-from "
                f"or --own-means of crossgap caption predict"
            )

    def _noise_words(self) -> str:
        corruption = self.preparation.corruption
        if self.request.arm not in ("C2_2", "C3") or self.run is None:
            return ""
        if corruption.noise == "mixing":
            return f"; noise mixing with a share of {corruption.share_:.2f}"
        return (
            f"; noise {corruption.noise} of variance {corruption.variance_:.2g} a coordinate "
            f"(cosine {self.expected_cosine():.2f} with the row)"
        )


def _record_of(step: "Step") -> dict[str, Any]:
    names = ("step", "epoch", "loss", "learning_rate", "gradient_norm")
    return {"event": "step", **{name: getattr(step, name) for name in names}}


def _step_of(record: Mapping[str, Any]) -> "Step":
    from crossgap.train import Step

    kept = {key: value for key, value in record.items() if key != "event"}
    return Step(**kept, terms={}, logit_scale=None)
