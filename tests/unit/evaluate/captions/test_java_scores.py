"""METEOR and SPICE: values of the original, and what happens where Java or files are missing, fail or hang."""

import os
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from crossgap.errors import MissingExtraError
from crossgap.evaluate.captions import meteor, spice

needs_meteor = pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pycocoevalcap") is None,
    reason="METEOR needs Java and pycocoevalcap (pip install 'crossgap[java-metrics]')",
)
CAPTIONS = (["a dog runs", "a cat"], [["a dog is running"], ["one cat", "the cat"]])
ANSWERS = """
for line in sys.stdin:
    parts = line.rstrip("\\n").split(" ||| ")
    if parts[0] == "SCORE":
        print(len(parts), flush=True)
    else:
        for part in parts[1:]:
            print(int(part) / 10)
        print(0.25, flush=True)
"""


def no_process_is_left() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


@needs_meteor
def test_meteor_gives_the_values_of_the_original(original_scores):
    found = meteor(original_scores["candidates"], original_scores["references"])
    assert found.score == pytest.approx(original_scores["meteor"], rel=1e-12)
    np.testing.assert_allclose(found.per_item, original_scores["meteor_per_item"], rtol=1e-12)
    assert no_process_is_left()


@pytest.mark.slow
@needs_meteor
def test_meteor_takes_odd_captions():
    long = " ".join(f"word{n}" for n in range(10_000))
    odd = ["", "a cat ||| sits", "中文 😀", "...", "EVAL ||| x", long]
    found = meteor(odd, [["a dog"], ["a cat sits"], ["中文"], ["..."], ["x"], [long]])
    assert found.per_item.shape == (6,)
    assert np.isfinite(found.per_item).all()
    assert found.per_item[0] == found.per_item[3] == 0
    assert 0 < found.score < 1


def test_meteor_reads_what_the_program_says(stand_in):
    stand_in(ANSWERS)
    found = meteor(*CAPTIONS)
    assert (found.score, found.per_item.tolist()) == (0.25, [0.3, 0.4])
    assert no_process_is_left()


def test_a_program_that_hangs_is_stopped(stand_in):
    stand_in("time.sleep(60)", "spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar")
    with pytest.raises(TimeoutError, match=r"METEOR took more than 0\.5 seconds and was stopped; give a longer"):
        meteor(*CAPTIONS, timeout=0.5)
    with pytest.raises(TimeoutError, match=r"SPICE took more than 0\.5 seconds and was stopped; give a longer"):
        spice(*CAPTIONS, timeout=0.5)
    assert no_process_is_left()


def test_a_program_that_fails_is_told(stand_in):
    stand_in(
        "sys.exit('Unsupported class\\n file')",
        *("spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar"),
    )
    for score in (meteor, spice):
        with pytest.raises(
            OSError, match=r"failed and said 'Unsupported class file'; check the installation, or leave"
        ):
            score(*CAPTIONS)
    assert no_process_is_left()


def test_a_program_that_says_nonsense_is_told(stand_in):
    stand_in("for line in sys.stdin: print('hello\\n' * (1 + 2 * line.startswith('EVAL')), end='', flush=True)")
    with pytest.raises(OSError, match=r"METEOR answered 'hello' where a number was expected; check the installation"):
        meteor(*CAPTIONS, timeout=20)


def test_spice_reads_the_file_that_the_program_writes(stand_in):
    stand_in(
        """
given = json.load(open(sys.argv[sys.argv.index("-silent") - 4]))
scores = [{"image_id": one["image_id"], "scores": {"All": {"f": len(one["refs"]) / 4}}} for one in given]
json.dump(scores, open(sys.argv[sys.argv.index("-out") + 1], "w"))
""",
        *("spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar"),
    )
    found = spice([*CAPTIONS[0], ""], [*CAPTIONS[1], ["a bird"]])
    assert (found.score, found.per_item.tolist()) == (0.25, [0.25, 0.5, 0.0])
    assert spice([""], [["a dog"]]).score == 0


def test_spice_without_scores_is_told(stand_in):
    stand_in("", "spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar")
    with pytest.raises(OSError, match=r"SPICE wrote no scores that can be read; check the installation"):
        spice(*CAPTIONS)


def test_models_that_are_missing_are_told_and_not_downloaded(stand_in):
    stand_in("time.sleep(60)")
    with pytest.raises(MissingExtraError, match=r"needs the models of Stanford CoreNLP 3\.6\.0.*fetch them once"):
        spice(*CAPTIONS)


@pytest.mark.parametrize("score", [meteor, spice])
def test_java_that_is_missing_is_told(score, stand_in, monkeypatch):
    folder = stand_in("")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(MissingExtraError, match=r"needs Java, which is not on the path; install a Java runtime"):
        score(*CAPTIONS)


@pytest.mark.parametrize("score", [meteor, spice])
def test_a_package_that_is_missing_is_told(score, stand_in, monkeypatch):
    stand_in("")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match=r"needs pycocoevalcap.*pip install 'crossgap\[java-metrics\]'"):
        score(*CAPTIONS)


@pytest.mark.parametrize("score", [meteor, spice])
def test_the_timeout_must_be_positive(score):
    with pytest.raises(ValueError, match=r"timeout must be positive, but it is 0"):
        score(*CAPTIONS, timeout=0)
