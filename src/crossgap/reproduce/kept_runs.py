"""Results of the single runs of an experiment, kept beside its table until it is whole."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossgap import __version__
from crossgap.data.atomic import atomic_path

__all__ = ["KeptRuns"]


class KeptRuns:
    """What runs of an experiment found, one JSON file each, so that one that was killed does not run them again.

    How to read it: ``results/caption_transfer.json`` has its runs in ``results/caption_transfer.runs``. A result is
    taken again only for the same settings and the same version, so the table is the one of a run in one go.

    Parameters
    ----------
    output
        Where the table will be written; None keeps nothing.
    settings
        All that the results depend on, as JSON; with the key of a run they name its file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = KeptRuns(f"{folder}/table.json", {"epochs": 2})
    ...     kept.put({"seed": 0}, {"loss": 0.5})
    ...     KeptRuns(f"{folder}/table.json", {"epochs": 2}).get({"seed": 0}), kept.get({"seed": 1})
    ({'loss': 0.5}, None)
    """

    def __init__(self, output: str | os.PathLike[str] | None, settings: Mapping[str, Any]) -> None:
        self.folder = None if output is None else Path(output).with_suffix(".runs")
        self.settings = dict(settings)

    def get(self, key: Mapping[str, Any]) -> Any:
        """Return what the run found; None if it was not kept, or its file is damaged."""
        path = self.path(key, ".json")
        if path is None or not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))["result"]
        except (ValueError, KeyError, TypeError):
            return None

    def put(self, key: Mapping[str, Any], result: Any) -> None:
        """Keep what the run found, as JSON of finite numbers."""
        path = self.path(key, ".json")
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"run": dict(key), "result": result}, allow_nan=False, indent=1)
        with atomic_path(path) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")

    def path(self, key: Mapping[str, Any], ending: str) -> Path | None:
        """Return where a file of the run belongs, such as the checkpoint of its training; None if nothing is kept."""
        if self.folder is None:
            return None
        what = json.dumps([self.settings, dict(key), __version__], sort_keys=True)
        return self.folder / (hashlib.sha256(what.encode()).hexdigest()[:16] + ending)
