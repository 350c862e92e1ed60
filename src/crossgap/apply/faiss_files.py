"""The files of a FAISS index that is moved: the old one, the new one, and which of them has the name to load.

A note beside the index says which closer made the new one. It may be one step behind the files, never wrong about them:
what is there decides.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.faiss_rows import read_index
from crossgap.apply.store_record import StoreRecord, StoreTask
from crossgap.data.atomic import atomic_path
from crossgap.errors import FormatError

__all__ = ["IndexFiles"]


class IndexFiles:
    """The old index, the new one, where the old one goes when they switch, and the note on what was done."""

    def __init__(self, task: StoreTask, path: str) -> None:
        self.old = Path(path)
        self._task = task
        self._note = self.old.with_name(f"{self.old.name}.crossgap.json")
        self.before = self.old.with_name(f"{self.old.name}.before")
        self._said = self._read()
        default = self.old.with_name(f"{self.old.stem}_closed{self.old.suffix}")
        self.new = Path(self._said["output"] if task.roll_back and self._said else task.output or default)
        if self.new.resolve() in (self.old.resolve(), self.before.resolve()):
            raise ValueError(f"the output {str(self.new)!r} is the source; give another file.")
        self.switched = self._is_switched()

    def complete(self) -> bool:
        """Say whether an earlier run wrote the new index; anything else of its name is an error."""
        if not self.new.exists() or self._task.restart:
            if self.new.exists() and not self._mine():
                raise ValueError(
                    f"{str(self.new)!r} exists and was not made here, so it is left as it is; give another "
                    f"--output (output=)."
                )
            return False
        if not self._mine():
            raise ValueError(
                f"{str(self.new)!r} exists and was not made here, so it is left as it is; give another "
                f"--output (output=)."
            )
        if self._said["closer"] != closer_digest(self._task.closer) or self._said["stamp"] != _stamp(self.old):
            raise ValueError(
                f"{str(self.new)!r} was made with another closer, or {str(self.old)!r} has changed since; write it "
                f"anew with --restart (restart=True), or give another "
                f"--output (output=)."
            )
        return True

    def write(self, index: Any) -> None:
        """Write the new index whole; the note comes first, and means nothing until the index is there.

        One of an earlier run is removed before the note is: the note of this run must not be taken for that one's.
        """
        import faiss

        self.new.unlink(missing_ok=True)
        self._say(switched=False, stamp=_stamp(self.old), closer=closer_digest(self._task.closer))
        with atomic_path(self.new) as temporary:
            try:
                faiss.write_index(index, str(temporary))
            except RuntimeError as error:
                raise OSError(
                    f"{str(self.new)!r} cannot be written by FAISS; free some space and try again."
                ) from error
            _settle(temporary)

    def check_room(self) -> None:
        """Fail where another file has the name that the old index would get, since the old index would be lost."""
        if self.before.exists() and _stamp(self.before) != _stamp(self.old):
            raise ValueError(
                f"{str(self.before)!r} exists and is not {str(self.old)!r} under a second name, so the old index has "
                f"no place to go; rename or remove it."
            )

    def switch(self) -> None:
        """Let the old name be that of the new index."""
        self.check_room()
        if not self.before.exists():
            _second_name(self.old, self.before)
        os.replace(self.new, self.old)
        self._say(**{**self._said, "switched": True})

    def roll_back(self) -> StoreRecord:
        """Let the old name be that of the old index again."""
        if not self.switched:
            raise ValueError(f"there is nothing to roll back: {str(self.old)!r} was not switched.")
        if not self.before.exists():
            raise ValueError(
                f"{str(self.before)!r}, which held the old vectors, is gone, so nothing can go back to it."
            )
        if not self.new.exists():
            _second_name(self.old, self.new)
        os.replace(self.before, self.old)
        self._say(**{**self._said, "switched": False})
        return StoreRecord(
            store="faiss",
            source=str(self.old),
            output=str(self.new),
            rows=int(read_index(self.old).ntotal),
            rolled_back=True,
            notes=(
                f"{str(self.old)!r} holds the old vectors again; give queries as they are, not moved.",
                f"{str(self.new)!r} is kept: switch to it again, or remove it.",
            ),
        )

    def already(self) -> StoreRecord:
        """Refuse to move what was moved; the same command again, after it was done, is no error."""
        if self._said["closer"] == closer_digest(self._task.closer) and not self._task.restart:
            return StoreRecord(
                store="faiss",
                source=str(self.before),
                output=str(self.old),
                rows=int(read_index(self.old).ntotal),
                dry_run=self._task.dry_run,
                switched=True,
                notes=(f"{str(self.old)!r} holds the moved vectors already, so nothing was left to do.",),
            )
        raise ValueError(
            f"the vectors of {str(self.old)!r} were moved by a closer already, and a second time would be wrong; roll "
            f"back first, or remove {self._note.name!r} if this index was built anew since."
        )

    def _is_switched(self) -> bool:
        """Say how far an earlier run came; the note may be one step behind the files."""
        if not self._said:
            return False
        made = Path(self._said["output"])
        if self._said["switched"]:
            return self.before.exists() or not made.exists()
        return self.before.exists() and not made.exists()

    def _mine(self) -> bool:
        return bool(self._said) and Path(self._said["output"]).resolve() == self.new.resolve()

    def _read(self) -> dict[str, Any]:
        if not self._note.is_file():
            return {}
        try:
            said = json.loads(self._note.read_text(encoding="utf-8"))
            sound = {"closer", "output", "switched", "stamp"} <= set(said)
        except (ValueError, TypeError):
            sound, said = False, {}
        if not sound:
            raise FormatError(f"{str(self._note)!r} is damaged; remove it if {str(self.old)!r} was never switched.")
        return said

    def _say(self, *, switched: bool, stamp: list[int], closer: str, output: str | None = None) -> None:
        self._said = {"closer": closer, "output": output or str(self.new), "switched": switched, "stamp": stamp}
        with atomic_path(self._note) as temporary:
            temporary.write_text(json.dumps(self._said) + "\n", encoding="utf-8")
            _settle(temporary)


def _stamp(path: Path) -> list[int]:
    """Return size and time of change: both stay when a file gets another name."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _second_name(path: Path, name: Path) -> None:
    """Give a file a second name; where the file system has none of these, a copy."""
    try:
        os.link(path, name)
    except OSError:
        with atomic_path(name) as temporary:
            shutil.copy2(path, temporary)
            _settle(temporary)


def _settle(path: Path) -> None:
    """Bring a file to the disk, since a rename may come there before what it names."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
