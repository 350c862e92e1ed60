"""What the commands of ``crossgap evaluate`` share: the source, what is fitted on which rows, and where numbers go."""

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from crossgap.cli.output import check_folder, check_replaceable, output_path, write_text
from crossgap.cli.text import chosen_groups, terminal_width

if TYPE_CHECKING:
    from crossgap.close import Closer
    from crossgap.data import Embeddings
    from crossgap.evaluate import Evaluation, Fold

__all__ = ["EvaluationRun"]

_LEAST_ROWS = 20  # of a group, so that a list of ten can be found in a half


class EvaluationRun:
    """One run: rows in memory, folds, settings for the record, and the printing of the result.

    Parameters
    ----------
    sources, groups
        As given on the command line.
    closer, as_is, in_sample
        What is compared: a closer's file, nothing, or mean removal; and whether it is judged on the rows it was fitted
        on. Without any of them mean removal is fitted on one half of the items and judged on the other.
    unit
        ``item`` or ``row``: what is split.
    most_rows
        Rows of a group up to which all are used.
    seed
        Of the sample and the split.
    output
        Where the numbers go.
    """

    def __init__(
        self,
        sources: Sequence[str],
        groups: str | None,
        *,
        closer: str | None,
        as_is: bool,
        in_sample: bool,
        unit: str,
        most_rows: int,
        seed: int,
        output: str | None,
    ) -> None:
        from crossgap.close.closer_file import read_closer, read_closer_record
        from crossgap.data import Embeddings, read_groups
        from crossgap.evaluate import numbered

        if as_is and (closer is not None or in_sample):
            raise ValueError(
                f"--as-is closes nothing, so it does not go with {'--closer' if closer else '--in-sample'}; leave one "
                f"out."
            )
        self.path = None if output is None else output_path(output)
        if self.path is not None:
            check_folder(self.path)
            check_replaceable(self.path, sources)
        self.sources, self.groups = list(sources), groups
        self.words = shlex.join([*sources, *([] if groups is None else ["--groups", groups])])
        self.as_is, self.in_sample, self.unit, self.seed, self.most_rows = as_is, in_sample, unit, seed, most_rows
        self.closer: Closer | None = None
        self._facts: dict[str, Any] = {}
        self._fitted_here = False
        self.closer_path = closer
        if closer is not None:
            self.closer = read_closer(closer)
            record = read_closer_record(closer)
            self._facts = {key: record[key] for key in ("method", "digest", "groups", "fit_rows")}
            self._fitted_here = any(source in record["facts"].get("sources", ()) for source in sources)
        found = read_groups(*sources)
        names = chosen_groups(groups, found.groups) if groups else list(found.groups)
        self.inputs = [facts for facts in found.inputs if facts["group"] in names]
        self.notes = [f"not used: {note}" for note in found.notes]
        if self._fitted_here and not in_sample:
            self.notes.append(
                "the closer says that it was fitted on this source, so the figures may be in-sample and too good; "
                "judge it on other rows."
            )
        chosen = Embeddings({name: found.groups[name] for name in names})
        sampled = chosen.sample_items(most_rows, seed=seed, proportional=True)
        if sampled is not chosen:
            sizes = ", ".join(f"{len(group)} of {len(chosen[name])} {name}" for name, group in sampled.items())
            self.notes.append(f"a sample of whole items is used (--rows): {sizes} rows.")
        self.embeddings, lost = numbered(sampled, unit=unit)
        self.notes += lost

    def replace(self, embeddings: "Embeddings") -> None:
        """Go on with other groups, and only their inputs."""
        self.embeddings = embeddings
        self.inputs = [facts for facts in self.inputs if facts["group"] in embeddings]

    def next_mixed(self) -> str:
        """Return the next step after the other tasks: mixed search, where there is enough for one."""
        enough = len(self.embeddings) > 1 and min(map(len, self.embeddings.values())) >= _LEAST_ROWS
        return f"crossgap {'evaluate mixed' if enough else 'measure'} {self.words}"

    def folds(self, *, corrects: bool = False, whole: Iterable[str] = ()) -> list["Fold"]:
        """Return what is judged: ``corrects`` says that scores are corrected, which learns from rows too."""
        from crossgap.evaluate import as_is, in_sample, other_half, with_closer

        split = {"unit": self.unit, "whole": whole, "seed": self.seed}
        if self.closer is not None:
            if not corrects:
                return with_closer(self.embeddings, self.closer)
            both = in_sample(self.embeddings, None) if self.in_sample else other_half(self.embeddings, None, **split)
            return with_closer(self.embeddings, self.closer, halves=both)
        if self.as_is:
            if corrects:
                raise ValueError("--as-is closes nothing, so it does not go with --correction; leave one out.")
            return as_is(self.embeddings)
        make = {} if not corrects else {"make": None}
        if self.in_sample:
            return in_sample(self.embeddings, **make)
        return other_half(self.embeddings, **make, **split)

    def settings(self, correction: str | None = None) -> dict[str, Any]:
        """Return how it was done, for the record."""
        what = "mean removal" if correction is None else f"the correction {correction}"
        if self.closer is not None:
            where = "fitted on these rows (--in-sample)" if self.in_sample else "fitted before"
            fitted = f"{self._facts['method']} of {self.closer_path}, {where}"
            fitted += "" if correction is None else f"; {what} learned from {self._learned}"
        elif self.as_is:
            fitted = "rows as they are"
        else:
            fitted = f"{what} learned from {self._learned}"
        return {
            "fitted": fitted,
            "closer": None if self.closer is None else {"file": self.closer_path, **self._facts},
            "in_sample": self.in_sample or self._fitted_here,
            "rows": self.most_rows,
            "notes": self.notes,
        }

    @property
    def _learned(self) -> str:
        if self.in_sample:
            return "the rows that are judged (--in-sample)"
        return f"the other half of the {'rows' if self.unit == 'row' else 'items'}, both halves judged"

    def show(self, found: "Evaluation", *, as_json: bool, next_step: str) -> None:
        """Write and print the result; the last line is the next step."""
        from crossgap.evaluate.terminal import lines

        text = found.to_json()
        if self.path is not None:
            write_text(self.path, text)
        if as_json:
            typer.echo(text, nl=False)
            return
        for line in lines(found, width=terminal_width()):
            typer.echo(line)
        if self.path is not None:
            typer.echo(f"\nWritten: {self.path}")
            typer.echo(f"Next: {next_step}")
        else:
            typer.echo(f"\nNext: {next_step}")
