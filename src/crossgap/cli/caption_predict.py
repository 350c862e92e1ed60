"""One run of ``crossgap caption predict``: rows, means, captions into a file, and the page of them."""

import json
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgap import __version__
from crossgap.cli.caption_journal import CaptionJournal, caption_line, run_file
from crossgap.cli.output import write_text
from crossgap.cli.progress import count_bar
from crossgap.cli.text import chosen_groups, terminal_width

if TYPE_CHECKING:
    from crossgap.data import Embeddings, Group

__all__ = ["CaptionPredict", "PredictRequest"]

_LIKENESS_ROWS = 4096  # whose mean is compared with the learned one
_SHOWN = 5  # captions on the terminal
_BLOCK = 65_536  # rows read at a time to look at them all


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """What the command line asks for."""

    captioner: str
    sources: Sequence[str]
    groups: str | None
    decoding: Mapping[str, Any]
    means_from: Sequence[str]
    own_means: bool
    batch: int


class CaptionPredict:
    """The captioner, the rows, and the file that the captions go to.

    Attributes
    ----------
    notes
        What is worth saying: where a mean comes from, rows that seem to be of another space.
    """

    def __init__(self, request: PredictRequest, path: Path, *, resume: bool) -> None:
        from crossgap.transfer import Captioner, Decoding
        from crossgap.transfer.captioner_file import read_captioner_record

        self.request, self.path = request, path
        self.decoding = Decoding(**request.decoding)
        self.record = read_captioner_record(request.captioner)
        self.captioner = Captioner.load(request.captioner)
        self.notes: list[str] = []
        self._unpaired = 0  # rows that have no references
        self.embeddings, self.names = self._read()
        self.means = {name: self._mean(name) for name in self.names}
        self._look_at_rows()
        self._run = self._facts()
        self.journal = CaptionJournal(
            path, self._run, resume=resume, sizes=list(self._run["groups"].values()), batch=request.batch
        )

    def write(self) -> None:
        """Write the captions that are missing; what is there stays, wherever the run is stopped."""
        journal = self.journal
        if journal.is_finished:
            return
        journal.begin()
        total = sum(len(self.embeddings[name]) for name in self.names)
        with count_bar() as bar:
            first = 0  # number of the group's first row among all
            for name in self.names:
                group, n = self.embeddings[name], len(self.embeddings[name])
                begin = min(max(journal.done - first, 0), n)
                for start in range(begin, n, self.request.batch):
                    rows = range(start, min(start + self.request.batch, n))
                    journal.add(self._records(name, group, rows))
                    bar.show(journal.done, total, name)
                first += n
        journal.end()

    def write_page(self, page: Path, images: str | None) -> None:
        """Draw the page of the written captions."""
        from crossgap.report.captions_page import captions_page, read_captions

        folder = None if images is None else Path(images).expanduser()
        facts = [f"arm {self.record['arm']}", self.record["decoder"], self.decoding.method]
        write_text(page, captions_page(read_captions(self.path), images=folder, facts=facts, file_name=self.path.name))

    def check_texts(self, path: Path) -> None:
        """Fail before the work where no row has a text to write as its reference."""
        for name in self.names:
            group = self.embeddings[name]
            if any(self._references(name, group, row) for row in range(len(group))):
                return
        raise ValueError(
            f"there are no texts of these items in the source, so {str(path)!r} cannot be written; leave out "
            f"--references."
        )

    def write_references(self, path: Path) -> None:
        """Write the references of the captions, as ``crossgap evaluate captions`` reads them."""
        from crossgap.data.atomic import write_whole

        lines, lost = [], 0
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                record = json.loads(line)
                texts = record.get("references", [])
                lost += not texts
                if texts:
                    lines.append(caption_line({"id": record["id"], "captions": texts}))
        self._unpaired = lost
        write_whole(path, "".join(lines).encode())

    # what is said

    def head(self) -> Iterator[str]:
        """Yield what is known before the first caption."""
        record = self.record
        yield (
            f"captioner of {record['learn_on']} ({record['decoder']}, arm {record['arm']}, {record['dimension']} "
            f"dimensions)"
        )
        for name in self.names:
            mean = self.means[name]
            yield f"{name}: {len(self.embeddings[name]):,} rows" + (f", mean {mean}" if mean else "")
        for note in self.notes:
            yield f"Note: {note}"
        if self.journal.is_finished:
            yield f"{self.path} is finished already."
        elif self.journal.done:
            yield f"goes on behind the {self.journal.done:,} captions that are there"

    def tail(self, texts: Path | None, page: Path | None) -> Iterator[str]:
        """Yield the first captions, the files, and the next step."""
        with self.path.open(encoding="utf-8", newline="\n") as file:
            found = [json.loads(line) for _, line in zip(range(_SHOWN), file, strict=False)]
        width = terminal_width()
        kind = "cosine with the nearest training text" if self.record["decoder"] == "NearestCaption" else ""
        yield f"\nfirst captions behind their scores ({kind or 'mean log probability of a token'}) and ids:"
        for record in found:
            line = f"  {record['score']:7.3f}  {record['id']}  {record['caption'] or '(no words)'}"
            line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
            yield line if len(line) <= width else f"{line[: width - 1]}…"
        for note in self._sameness():
            yield f"Note: {note}"
        if self._unpaired:
            yield f"Note: {self._unpaired:,} rows have no text in the source and are not in {texts}."
        yield f"\nWritten: {', '.join(self._files(texts, page))}"
        own = shlex.quote(str(self.path)) + " REFERENCES" * (not all("references" in record for record in found))
        if texts is not None:
            yield f"Next: crossgap evaluate captions {shlex.join([str(self.path), str(texts)])}"
        elif page is not None:
            yield f"Next: open {page}; crossgap evaluate captions {own} scores them"
        else:
            yield f"Next: crossgap evaluate captions {own} (or --html with --images here, to look at them)"

    def _sameness(self) -> list[str]:
        from crossgap.report.captions_page import sameness

        with self.path.open(encoding="utf-8", newline="\n") as file:
            return sameness(json.loads(line)["caption"] for line in file)

    def document(self, texts: Path | None, page: Path | None) -> str:
        """Return what ``--json`` prints."""
        from crossgap.results import to_json

        count = sum(len(self.embeddings[name]) for name in self.names)
        return to_json(
            {
                **self._run,
                "captions": count,
                "notes": [*self.notes, *self._sameness()],
                "files": self._files(texts, page),
            }
        )

    def _files(self, texts: Path | None, page: Path | None) -> list[str]:
        return [str(file) for file in (self.path, run_file(self.path), texts, page) if file is not None]

    # what is read

    def _read(self) -> tuple["Embeddings", list[str]]:
        from crossgap.data import Embeddings, read_groups

        found = read_groups(*self.request.sources)
        learned = self.record["learn_on"]
        if self.request.groups is not None:
            names = chosen_groups(self.request.groups, found.groups)
        else:
            names = [name for name in found.groups if name != learned] or list(found.groups)
        kept = [*names, *[learned] * (learned in found.groups and learned not in names)]
        for name in names:
            dimension = int(found.groups[name].vectors.shape[1])
            if dimension != self.captioner.dimension:
                raise ValueError(
                    f"{name} has {dimension} dimensions, but the captioner in {self.request.captioner!r} takes "
                    f"{self.captioner.dimension}; give vectors of the model that it was fitted on."
                )
        fits = [name for name in kept if int(found.groups[name].vectors.shape[1]) == self.captioner.dimension]
        return Embeddings({name: found.groups[name] for name in fits}), names

    def _mean(self, name: str) -> str:
        """See to it that the group has a mean where one is needed; say where it comes from."""
        import numpy as np

        preparation, request = self.captioner.preparation, self.request
        if request.own_means and request.means_from:
            raise ValueError("--own-means and --means-from both say where means come from; leave one out.")
        if name in preparation.groups or (preparation.closer is None and not preparation.collapses):
            return "learned with the captioner" if preparation.collapses else ""
        if request.means_from:
            from crossgap.data import read

            rows = read(*request.means_from, groups=[name])[name].vectors
            where = f"of {len(rows):,} rows of {', '.join(request.means_from)}"
        elif request.own_means:
            rows, where = self.embeddings[name].vectors, "of these rows (--own-means)"
        else:
            raise ValueError(
                f"the captioner knows no mean of {name!r}, since it was fitted with rows of "
                f"{', '.join(preparation.groups)} alone; give rows to take it from with --means-from SOURCE, or take "
                f"that of these rows with --own-means."
            )
        preparation.add_group(np.asarray(rows[:]), name)
        if request.own_means and len(self.embeddings[name]) < 100:
            self.notes.append(
                f"the mean of {name} is that of {len(self.embeddings[name])} rows, which is little; take it from more "
                f"with --means-from SOURCE."
            )
        return where

    def _look_at_rows(self) -> None:
        """Fail before the work on rows without a direction; say so where rows seem to be of another space."""
        import numpy as np

        for name in self.names:
            vectors = self.embeddings[name].vectors
            for start in range(0, len(vectors), _BLOCK):
                rows = np.asarray(vectors[start : start + _BLOCK])
                bad = ~(np.isfinite(rows).all(axis=1) & rows.any(axis=1))
                if bad.any():
                    raise ValueError(
                        f"row {start + int(np.argmax(bad))} of {name} is all zeros or not finite, so it has no "
                        f"direction; leave it out (crossgap doctor lists such rows)."
                    )
            likeness = self.captioner.mean_likeness(np.asarray(vectors[:_LIKENESS_ROWS]), name)
            if likeness is not None and likeness.is_foreign:
                self.notes.append(
                    f"the rows of {name} seem to be of another space: the cosine of their mean with the mean that was "
                    f"learned is {likeness.cosine:.2f}, and {likeness.expected:.2f} is expected; captions will be "
                    f"wrong unless they are of the model that the captioner was fitted on."
                )

    def _facts(self) -> dict[str, Any]:
        """Return what the captions depend on."""
        import numpy as np

        checks = {}
        for name in self.names:
            vectors, check = self.embeddings[name].vectors, 0
            for start in range(0, len(vectors), _BLOCK):
                check = zlib.crc32(np.ascontiguousarray(vectors[start : start + _BLOCK]).tobytes(), check)
            checks[name] = check
        return {
            "schema": 1,
            "kind": "captions",
            "crossgap": __version__,
            "captioner": self.request.captioner,
            "digest": self.record["digest"],
            "sources": list(self.request.sources),
            "groups": {name: len(self.embeddings[name]) for name in self.names},
            "checksums": checks,
            "means": self.means,
            "decoding": dict(self.request.decoding),
            "batch": self.request.batch,
        }

    # the captions

    def _records(self, name: str, group: "Group", rows: range) -> list[dict[str, Any]]:
        import numpy as np

        found = self.captioner.caption(
            np.asarray(group.vectors[rows.start : rows.stop]),
            group=name,
            decoding=self.decoding,
            batch_size=self.request.batch,
            first=rows.start,
        )
        records = []
        for row, caption in zip(rows, found, strict=True):
            record: dict[str, Any] = {
                "id": _plain(row if group.items is None else group.items[row]),
                "group": name,
                "row": row,
                "caption": caption.text,
                "score": round(caption.score, 6),
                "tokens": caption.tokens,
            }
            if group.uri is not None and group.uri[row] is not None:
                record["uri"] = group.uri[row]
            references = self._references(name, group, row)
            if references:
                record["references"] = references
            records.append(record)
        return records

    def _references(self, name: str, group: "Group", row: int) -> list[str]:
        """Return the texts of the row's item: those of the rows learned on, else its own."""
        paired = self._texts_of_items.get(name)
        if paired is not None:
            item = int(self.embeddings.row_items[name][row])
            return paired.get(item, [])
        own = None if group.text is None else group.text[row]
        return [own] if own and own.strip() else []

    @cached_property
    def _texts_of_items(self) -> dict[str, dict[int, list[str]]]:
        """The texts of each item, for the groups that pair with the group learned on."""
        learned = self.record["learn_on"]
        if learned not in self.embeddings or self.embeddings[learned].text is None:
            return {}
        texts: dict[int, list[str]] = {}
        for item, text in zip(self.embeddings.row_items[learned], self.embeddings[learned].text or (), strict=True):
            if text and text.strip():
                texts.setdefault(int(item), []).append(text)
        return {
            name: texts
            for name in self.names
            if name == learned or self.embeddings.item_codes(name, learned).reason is None
        }


def _plain(item: Any) -> int | str:
    return item if isinstance(item, int | str) else item.item() if hasattr(item, "item") else str(item)
