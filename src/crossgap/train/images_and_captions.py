"""Pictures and their captions, from a folder or a zip and a file of captions, as inputs of a training run."""

import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import DegenerateError, FormatError
from crossgap.train.caption_file import read_captions
from crossgap.train.pairs import seeded_generator
from crossgap.train.pixels import decoded_pixels

__all__ = ["CaptionedPairs", "CaptionedPictures", "read_images_and_captions"]

_MOST_BYTES = 100_000_000  # of one picture file


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedPictures:
    """Pictures in memory, each with at least one caption.

    Parameters
    ----------
    pixels
        uint8 (n, 3, size, size).
    names
        File name of each.
    captions
        Captions of each, in the order of their file.
    skipped
        For each picture that could not be used, its name and why.

    Examples
    --------
    >>> import torch
    >>> dots = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    >>> pictures = CaptionedPictures(
    ...     pixels=dots, names=("a", "b", "c"), captions=(("one",), ("two", "ii"), ("three",)), skipped=()
    ... )
    >>> train, test = pictures.split(1, seed=0)
    >>> len(pictures), len(train), len(test), sorted(train.names + test.names)
    (3, 2, 1, ['a', 'b', 'c'])
    """

    pixels: Tensor
    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    skipped: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def split(self, held_out: int, *, seed: int = 0) -> tuple["CaptionedPictures", "CaptionedPictures"]:
        """Return the pictures to train on, and ``held_out`` others, drawn by the seed.

        Raises
        ------
        ValueError
            If ``held_out`` is not between 1 and one less than there are.
        """
        if not 1 <= held_out < len(self):
            raise ValueError(
                f"held_out must be from 1 to {len(self) - 1}, one less than the pictures, but it is {held_out}; "
                f"leave some to train on."
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self._part(np.sort(order[held_out:])), self._part(np.sort(order[:held_out]))

    def pairs(self, encode: Callable[[Sequence[str]], Tensor], *, seed: int = 0) -> "CaptionedPairs":
        """Return training pairs whose captions are encoded by a function: ``WordTokeniser.encode`` or the like."""
        return CaptionedPairs(self, encode, seed=seed)

    def _part(self, rows: np.ndarray) -> "CaptionedPictures":
        return CaptionedPictures(
            pixels=self.pixels[torch.as_tensor(rows)],
            names=tuple(self.names[row] for row in rows),
            captions=tuple(self.captions[row] for row in rows),
            skipped=(),
        )


class CaptionedPairs:
    """Training pairs of a picture and one of its captions, which each epoch draws anew; see ``TrainingPairs``.

    Parameters
    ----------
    pictures
        What ``read_images_and_captions`` gives.
    encode
        From a list of captions to token ids (n, length).
    seed
        Of the draw, which depends on the seed, the epoch and the number of the picture alone.

    Attributes
    ----------
    pixels, first_tokens
        Inputs of both towers, with the first caption of each picture: for ``held_out_curve``.

    Raises
    ------
    ValueError
        If ``encode`` does not give one row a caption.

    Examples
    --------
    >>> import torch
    >>> dots = torch.zeros(2, 3, 2, 2, dtype=torch.uint8)
    >>> pictures = CaptionedPictures(pixels=dots, names=("a", "b"), captions=(("1", "2", "3"), ("4",)), skipped=())
    >>> pairs = pictures.pairs(lambda captions: torch.tensor([[int(word)] for word in captions]))
    >>> {int(pairs.batch(torch.tensor([0]), epoch)[1]) for epoch in range(20)}, pairs.first_tokens.tolist()
    ({1, 2, 3}, [[1], [4]])
    """

    def __init__(
        self, pictures: CaptionedPictures, encode: Callable[[Sequence[str]], Tensor], *, seed: int = 0
    ) -> None:
        captions = [caption for several in pictures.captions for caption in several]
        self.pixels = pictures.pixels
        self.seed = seed
        self._tokens = encode(captions)
        if len(self._tokens) != len(captions):
            raise ValueError(
                f"encode must give one row for each of {len(captions)} captions, but it gave {len(self._tokens)}; "
                f"give WordTokeniser.encode or the like."
            )
        self._counts = torch.tensor([len(several) for several in pictures.captions])
        self._starts = self._counts.cumsum(0) - self._counts
        self._drawn: tuple[int, Tensor] | None = None

    @property
    def first_tokens(self) -> Tensor:
        """Token ids of the first caption of each picture."""
        return self._tokens[self._starts]

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return pixels and token ids of the pictures numbered by ``index``, with the captions of this epoch."""
        if self._drawn is None or self._drawn[0] != epoch:
            generator = seeded_generator(self.seed, epoch, purpose="choice of caption")
            share = torch.rand(len(self), generator=generator, dtype=torch.float64)
            self._drawn = (epoch, self._starts + (share * self._counts).long())
        return self.pixels[index], self._tokens[self._drawn[1][index]]


def read_images_and_captions(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    *,
    size: int,
    image_key: str = "image",
    caption_key: str | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
    most: int | None = None,
    workers: int = 4,
) -> CaptionedPictures:
    r"""Read pictures and their captions into memory.

    How to read it: ``len`` of the result is what can be used; a warning and ``skipped`` name every picture that cannot:
    it is not there, it is no readable picture, it has no caption, or its name leads out of the folder.

    Parameters
    ----------
    images
        Folder or zip of the pictures.
    captions
        File of names and captions: JSON lines, a table, or COCO's annotations; see ``read_captions``.
    size
        Height and width of the pictures in memory; see ``decoded_pixels``.
    image_key, caption_key
        As in ``read_captions``.
    background
        Colour behind transparent pictures.
    most
        Read only the first so many pictures that the file of captions names; None for all.
    workers
        Pictures that are decoded at a time.

    Returns
    -------
    The pictures, in the order in which the file of captions names them first.

    Raises
    ------
    DegenerateError
        If no picture is left.
    FormatError
        If the zip or the file of captions is damaged.
    OSError
        If one of them is not there.
    ValueError
        If ``size``, ``workers`` or ``most`` is below 1.

    Notes
    -----
    Memory: 3 size^2 bytes a picture; 1.8 GB for the 118,287 of COCO at 72 pixels, 18 GB at 224. Names are taken as
    untrusted: none may be absolute, hold "..", or lead out of the folder through a link. In a zip a name may leave out
    the folders before it, if one member alone then fits.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = pathlib.Path(folder)
    ...     Image.new("RGB", (4, 6), "red").save(place / "a.png")
    ...     _ = (place / "captions.tsv").write_text("a.png\ta red thing\na.png\tred\n")
    ...     pictures = read_images_and_captions(place, place / "captions.tsv", size=2)
    >>> pictures.names, pictures.captions, pictures.pixels[0].flatten(1).tolist()
    (('a.png',), (('a red thing', 'red'),), [[255, 255, 255, 255], [0, 0, 0, 0], [0, 0, 0, 0]])
    """
    for option, value in (("size", size), ("workers", workers), ("most", 1 if most is None else most)):
        if value < 1:
            raise ValueError(f"{option} must be at least 1, but it is {value}; raise it.")
    named = read_captions(captions, image_key=image_key, caption_key=caption_key)
    names = list(named)[:most]
    pixels = torch.empty((len(names), 3, size, size), dtype=torch.uint8)
    with _opened(Path(images)) as read:

        def decode(row: int) -> str | None:
            """Fill one picture in, or return why it cannot be used."""
            if not named[names[row]]:
                return "it has no caption"
            try:
                pixels[row] = torch.from_numpy(decoded_pixels(read(names[row]), size=size, background=background))
            except FormatError as error:
                return str(error).rstrip(".")
            return None

        pool = ThreadPoolExecutor(workers)
        try:
            reasons = list(pool.map(decode, range(len(names))))
        finally:
            pool.shutdown(cancel_futures=True)  # so that an interrupt does not wait for all pictures
    skipped = tuple(f"{name!r}: {why}" for name, why in zip(names, reasons, strict=True) if why is not None)
    kept = [row for row, why in enumerate(reasons) if why is None]
    if not kept:
        raise DegenerateError(
            f"none of the {len(names)} pictures that {os.fspath(captions)!r} names can be used"
            f"{f', {skipped[0]}' if skipped else ''}; check that images and captions belong together."
        )
    if skipped:
        warnings.warn(
            f"{len(skipped)} of {len(names)} pictures are skipped, {skipped[0]}; the attribute skipped names them all.",
            stacklevel=2,
        )
        for row, old in enumerate(kept):  # in place: the pictures may fill most of the memory
            pixels[row] = pixels[old]
    return CaptionedPictures(
        pixels=pixels[: len(kept)],
        names=tuple(names[row] for row in kept),
        captions=tuple(tuple(named[names[row]]) for row in kept),
        skipped=skipped,
    )


@contextmanager
def _opened(images: Path) -> Iterator[Callable[[str], bytes]]:
    """Give a function from a name to the bytes of that picture, or a ``FormatError`` that says why not."""
    if images.is_dir():
        root = Path(os.path.realpath(images))
        yield lambda name: _from_folder(root, name)
        return
    if not images.exists():
        raise FileNotFoundError(f"there is nothing at {os.fspath(images)!r}; give the folder or zip of the pictures.")
    try:
        archive = zipfile.ZipFile(images)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise FormatError(
            f"{os.fspath(images)!r} is neither a folder nor a whole zip ({error}); fetch it again."
        ) from None
    with archive:
        members = _members(archive)
        yield lambda name: _from_zip(archive, members, name)


def _from_folder(root: Path, name: str) -> bytes:
    _check_name(name)
    try:
        path = Path(os.path.realpath(root / name))
        if not path.is_relative_to(root):
            raise FormatError("it is a link that leads out of the folder")
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise FormatError("it is no plain file")
        if found.st_size > _MOST_BYTES:
            raise FormatError(f"its file has {found.st_size} bytes, more than {_MOST_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"it cannot be read ({str(error.strerror).lower()})") from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo | None]:
    """Members of a zip by name and by every end of it; None where two have the same end."""
    members: dict[str, zipfile.ZipInfo | None] = {}
    for info in archive.infolist():
        parts = PurePosixPath(info.filename).parts
        for first in range(1, len(parts)):
            end = "/".join(parts[first:])
            members[end] = None if end in members else info
    members.update((info.filename, info) for info in archive.infolist())
    return members


def _from_zip(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo | None], name: str) -> bytes:
    _check_name(name)
    if name not in members:
        raise FormatError("it is not in the zip")
    info = members[name]
    if info is None:
        raise FormatError("several members of the zip end so; name its folder too")
    if info.file_size > _MOST_BYTES:
        raise FormatError(f"its file has {info.file_size} bytes, more than {_MOST_BYTES}")
    try:
        return archive.read(info)  # checks the sum, and stops at file_size
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise FormatError(f"it cannot be read from the zip ({error})") from None


def _check_name(name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or "\0" in name or ".." in parts or parts[0] == "/" or parts[0].endswith(":"):
        raise FormatError("its name is empty, absolute or leads out of the folder")
