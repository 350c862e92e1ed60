"""The loop of ``crossgap train``: steps, with records, measurements, alarms and checkpoints between them."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from crossgap.cli.output import write_text
from crossgap.cli.progress import CountBar, count_bar
from crossgap.cli.run_folder import Records, RunFolder
from crossgap.cli.run_logs import Log, run_logs
from crossgap.cli.stop_signal import stop_signal

if TYPE_CHECKING:
    from crossgap.train.alarms import Alarm, CollapseAlarm
    from crossgap.train.config import TrainingConfig
    from crossgap.train.from_config import ConfiguredRun
    from crossgap.train.run import Step

__all__ = ["TrainingLoop", "alarm_record"]


class TrainingLoop:
    """The steps that a run has left, and what is done between them.

    Parameters
    ----------
    settings
        The configuration.
    made
        What it makes; the run stands where its checkpoint left it.
    folder
        Where the checkpoint and the records go.
    say
        Prints a line of progress.

    Attributes
    ----------
    curves
        Records of all evaluations of the run, also of those before it was stopped.
    alarms
        All its alarms.
    saved_step
        Step of the checkpoint.
    """

    def __init__(
        self, settings: "TrainingConfig", made: "ConfiguredRun", folder: RunFolder, say: Callable[[str], None]
    ) -> None:
        self.settings, self.made, self.folder, self.say = settings, made, folder, say
        self.run = made.run
        self.saved_step = made.run.step
        self.curves: list[dict[str, Any]] = []
        self._watch = _alarm(settings, made)
        self._last: Step | None = None

    @property
    def alarms(self) -> list["Alarm"]:
        """All alarms of the run."""
        return list(self._watch.raised)

    def take_steps(self) -> None:
        """Take them all; on Ctrl-C finish the step in hand, save and raise ``KeyboardInterrupt``."""
        run, table = self.run, self.settings.run
        with stop_signal() as stopped, run_logs(table, name=self.folder.path.name, step=run.step) as log:
            self._begin_folder()
            with Records(self.folder.records, step=run.step) as records, count_bar() as bar:
                self._replay(records.kept)
                if run.step == 0:
                    self._save(records)
                steps = iter(run)
                while run.step < run.total_steps:
                    if run.step == 0 or _due(run.step, table.evaluate_every):  # before the step: also where it goes on
                        self._evaluate(records, log, bar)
                    self._take_step(steps, records, log, bar)
                    if stopped() or run.step == run.total_steps or _due(run.step, table.checkpoint_every):
                        self._save(records)
                    if stopped():
                        raise KeyboardInterrupt
                self._evaluate(records, log, bar)
                records.flush()

    def _begin_folder(self) -> None:
        from crossgap.train.config_file import config_text

        self.folder.path.mkdir(parents=True, exist_ok=True)
        write_text(self.folder.config, config_text(self.settings))
        if self.made.words is not None:
            self.made.words.save(self.folder.words)

    def _take_step(self, steps: Iterator["Step"], records: Records, log: Log, bar: CountBar) -> None:
        self._last = step = next(steps)
        record = _step_record(step)
        records.write(record)
        log("training", step.step, _numbers(record))
        self._tell(self._watch.step(step), records, bar)
        latest = self.curves[-1]["values"] if self.curves else {}
        bar.show(self.run.step, self.run.total_steps, _progress_text(step, latest))

    def _save(self, records: Records) -> None:
        from crossgap.train.config import as_tables

        records.flush()
        self.run.save(self.folder.checkpoint, notes={"config": as_tables(self.settings)})
        self.saved_step = self.run.step

    def _evaluate(self, records: Records, log: Log, bar: CountBar) -> None:
        held_out, step = self.made.held_out, self.run.step
        if held_out is None:
            return
        curve = held_out.curve(self.made.model)
        record = {"event": "evaluation", "step": step, "values": dict(curve), "left_out": curve.left_out}
        records.write(record)
        log("held_out", step, curve)
        self.curves.append(record)
        if not bar.is_shown:
            self.say(f"step {step}/{self.run.total_steps}: {_progress_text(self._last, curve)}")
        self._tell(self._watch.curve(step, curve), records, bar)

    def _tell(self, alarms: tuple["Alarm", ...], records: Records, bar: CountBar) -> None:
        for alarm in alarms:
            records.write({"event": "alarm", **alarm_record(alarm)})
            bar.say(f"alarm: {alarm}")

    def _replay(self, records: list[dict[str, Any]]) -> None:
        """Show the alarm what it saw before the run was stopped, and keep the evaluations."""
        from crossgap.train.gap_curves import GapCurve
        from crossgap.train.run import Step

        for record in records:
            if record["event"] == "step":
                self._watch.step(Step(**{key: value for key, value in record.items() if key != "event"}))
            elif record["event"] == "evaluation":
                self._watch.curve(record["step"], GapCurve(record["values"], record["left_out"]))
                self.curves.append(record)


def alarm_record(alarm: "Alarm") -> dict[str, Any]:
    """Return an alarm as JSON."""
    record = {key: getattr(alarm, key) for key in ("step", "quantity", "value", "bound", "remedy")}
    return record | {"bound": alarm.bound if math.isfinite(alarm.bound) else None}


def _alarm(settings: "TrainingConfig", made: "ConfiguredRun") -> "CollapseAlarm":
    from crossgap.train.alarms import CollapseAlarm

    weights = {term.name: term.weight for term in settings.loss}
    if weights.get("clip_loss", 0) <= 0:
        return CollapseAlarm()
    batch = min(settings.run.batch_size, len(made.pairs))
    return CollapseAlarm(chance_loss=weights["clip_loss"] * math.log(batch), term="clip_loss")


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _step_record(step: "Step") -> dict[str, Any]:
    return {
        "event": "step",
        "step": step.step,
        "epoch": step.epoch,
        "loss": step.loss,
        "terms": dict(step.terms),
        "logit_scale": step.logit_scale,
        "learning_rate": step.learning_rate,
        "gradient_norm": step.gradient_norm,
    }


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return what a logger takes of the record of a step; the gradient of a step left out has no length."""
    names = ("loss", "logit_scale", "learning_rate", "gradient_norm")
    terms = {f"terms/{name}": value for name, value in record["terms"].items()}
    return {name: record[name] for name in names if record[name] is not None} | terms


def _progress_text(step: "Step | None", curve: Mapping[str, float]) -> str:
    parts = [] if step is None else [f"loss {step.loss:.4g}"]
    names = {"centroid_distance": "gap", "linear_separability": "separability"}
    parts += [f"{shown} {curve[name]:.3f}" for name, shown in names.items() if name in curve]
    recalls = [curve[name] for name in ("recall_at_1/x_to_y", "recall_at_1/y_to_x") if name in curve]
    if recalls:
        parts.append(f"R@1 {' / '.join(f'{value:.3f}' for value in recalls)}")
    return ", ".join(parts)
