"""The folder of a captioner while it is fitted: what may lie there, and the checkpoint to go on from."""

import os
import re
from pathlib import Path

__all__ = ["CaptionerFolder"]

_RECORD = "captioner.json"
_LEFTOVER = re.compile(r"\.crossgap-[0-9a-f]{12}(\.[a-z]+)?")  # as data.atomic names them


class CaptionerFolder:
    """The captioner's own files, and beside them the folder ``fit`` with the checkpoint and the records of the fit.

    Parameters
    ----------
    path
        The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fit = path / "fit"
        self.checkpoint = self.fit / "checkpoint.safetensors"
        self.records = self.fit / "records.jsonl"

    @property
    def is_finished(self) -> bool:
        """Whether the captioner is there."""
        return (self.path / _RECORD).is_file()

    @property
    def is_begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.checkpoint.is_file()

    def check(self, *, resume: bool) -> None:
        """Fail before the work where the folder cannot take a captioner, or holds none to go on with."""
        shown = repr(str(self.path))
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"the output must be a folder, but {shown} is a file; give another one with -o.")
        if resume:
            if not (self.is_begun or self.is_finished):
                raise ValueError(f"the folder {shown} holds no fit to go on with; leave out --resume to begin.")
            return
        if self.is_finished or self.is_begun:
            what = "a captioner already" if self.is_finished else "a fit that was stopped"
            way = "give another folder with -o" if self.is_finished else "add --resume to go on with it"
            raise ValueError(f"the folder {shown} holds {what}; {way}, or remove it.")
        held = [file.name for file in self.path.iterdir()] if self.path.exists() else []
        foreign = [name for name in held if name != self.fit.name and not _LEFTOVER.fullmatch(name)]
        if foreign:
            raise ValueError(
                f"the folder {shown} holds {foreign[0]!r} and no captioner; give a new folder with -o, so that nothing "
                f"of yours is mixed with it."
            )
        above = self.path.absolute().parent
        if not above.is_dir():
            raise ValueError(f"the output folder {str(above)!r} does not exist; make it first: mkdir -p {above}.")
        if not os.access(self.path if self.path.exists() else above, os.W_OK | os.X_OK):
            raise ValueError(f"the folder {shown} is not writable; choose another one with -o.")

    def begin(self) -> None:
        """Make the folders, and remove the half-written files that a killed run left."""
        self.path.mkdir(exist_ok=True)
        self.fit.mkdir(exist_ok=True)
        for folder in (self.path, self.fit):
            for file in folder.iterdir():
                if _LEFTOVER.fullmatch(file.name) and file.is_file():
                    file.unlink(missing_ok=True)

    def end(self) -> None:
        """Remove what only a fit under way needs."""
        self.checkpoint.unlink(missing_ok=True)
        for file in self.fit.glob(f"{self.checkpoint.stem}.best-*.safetensors"):
            file.unlink(missing_ok=True)
