"""SPICE: objects, attributes and relations that a caption and its references have in common."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossgap.errors import MissingExtraError
from crossgap.evaluate.captions.caption_words import Caption, caption_words
from crossgap.evaluate.captions.java_scorers import java, program_folder, run_java
from crossgap.evaluate.captions.meteor import JavaScores
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens

__all__ = ["spice"]

_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def spice(
    candidates: Sequence[Caption], references: Sequence[Sequence[Caption]], *, timeout: float = 1800.0
) -> JavaScores:
    """SPICE of a set of captions, by its authors' Java program.

    How to read it: range [0, 1], higher is better; papers print it times 100. An F1 over facts such as (dog), (dog,
    black), (dog, chase, ball), parsed from the captions in English; it does not ask for fluent text. The value of the
    set is the mean over items.

    Parameters
    ----------
    candidates
        One caption for each item: text, or a list of words.
    references
        The references of each item, one or more, in the same order.
    timeout
        Seconds after which the program is stopped.

    Raises
    ------
    ValueError
        If an item has no reference, the lists differ in length or ``timeout`` is not positive.
    DegenerateError
        If there is no item.
    MissingExtraError
        If Java, pycocoevalcap, or the models of Stanford CoreNLP 3.6.0 are missing. Nothing is downloaded here.
    OSError
        If the program fails; TimeoutError if it takes too long.

    Notes
    -----
    Needs up to 8 GB of memory. The program was made for Java 8; where a later Java refuses it, its words are in the
    error. Nothing is written beside it, so parses are not kept from one call to the next.

    References
    ----------
    Anderson, Fernando, Johnson and Gould, *SPICE: Semantic Propositional Image Caption Evaluation*, ECCV 2016.

    Examples
    --------
    >>> found = spice(["a dog runs"], [["a dog is running"]])  # doctest: +SKIP
    """
    if not timeout > 0:
        raise ValueError(f"timeout must be positive, but it is {timeout}; 1800 seconds are usual.")
    words, listed = caption_words(candidates, references, tokenise=ptb_tokens)
    java("SPICE")
    folder = program_folder("SPICE", "spice")
    if not all((folder / "lib" / name).is_file() for name in _MODELS):
        raise MissingExtraError(
            "SPICE needs the models of Stanford CoreNLP 3.6.0, which pycocoevalcap does not bring; fetch them once "
            "(400 MB): python -m pycocoevalcap.spice.get_stanford_models, or leave SPICE out."
        )
    per_item = np.zeros(len(words))
    scored = [place for place, one in enumerate(words) if one]  # the program fails on a caption without words
    with tempfile.TemporaryDirectory(prefix="crossgap-") as place:
        source, result = Path(place) / "captions.json", Path(place) / "scores.json"
        given = [
            {"image_id": number, "test": " ".join(words[number]), "refs": [" ".join(one) for one in listed[number]]}
            for number in scored
        ]
        if given:
            source.write_text(json.dumps(given), encoding="utf-8")
            arguments = ["-Xmx8G", "-jar", "spice-1.0.jar", str(source), "-out", str(result), "-subset", "-silent"]
            run_java("SPICE", arguments, folder=folder, timeout=timeout)
            for number, value in _scores(result):
                per_item[number] = value
    return JavaScores(score=float(per_item.mean()), per_item=per_item)


def _scores(path: Path) -> list[tuple[int, float]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return [(int(entry["image_id"]), float(entry["scores"]["All"]["f"])) for entry in found]
    except (OSError, ValueError, KeyError, TypeError):
        raise OSError(
            "the Java program of SPICE wrote no scores that can be read; check the installation, or leave SPICE out."
        ) from None
