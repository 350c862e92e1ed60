"""``crossgap evaluate captions``: good files in both forms, bad ones, what is printed and written."""

import gzip
import json

import pytest

FAST = ("--bootstrap", "20", "--scores", "bleu,rouge_l,cider_d")
CAPTIONS = {
    f"photo-{n}": (f"A {colour} {animal} runs.", [f"The {colour} {animal} runs!", f"One {animal} in the {place}"])
    for n, (colour, animal, place) in enumerate(
        (colour, animal, place)
        for colour in ("red", "blue", "old")
        for animal, place in (("dog", "park"), ("cat", "house"), ("bird", "sky"), ("horse", "field"))
    )
}


@pytest.fixture
def files(tmp_path):
    """The same captions as JSON lines and as tab-separated text."""
    predictions, references = tmp_path / "predictions.jsonl", tmp_path / "references.jsonl"
    predictions.write_text(
        "".join(json.dumps({"id": item, "caption": one, "score": -1}) + "\n" for item, (one, _) in CAPTIONS.items())
    )
    references.write_text(
        "".join(json.dumps({"id": item, "captions": several}) + "\n" for item, (_, several) in CAPTIONS.items())
    )
    predictions.with_suffix(".tsv").write_text("".join(f"{item}\t{one}\n" for item, (one, _) in CAPTIONS.items()))
    with gzip.open(tmp_path / "references.tsv.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{item}\t{one}\r\n" for item, (_, several) in CAPTIONS.items() for one in several)
    return predictions, references


def test_a_real_process_prints_scores_and_writes_the_record(process, files, tmp_path):
    path = tmp_path / "scores.json"
    out = process("evaluate", "captions", *files, *FAST, "-o", path).check_success()
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"]
    assert "12 items, 24 references; 95% intervals from 20 bootstrap replicates, seed 0." in out
    assert lines[-1] == f"Written: {path}"
    document = json.loads(path.read_text())
    assert [entry["id"] for entry in document["items"]] == list(CAPTIONS)
    assert document["measurements"][0]["value"] == pytest.approx(32 / 48 + 1 / 48, abs=0.2)


def test_both_forms_and_both_outputs_are_the_same(here, files, tmp_path):
    first = here("evaluate", "captions", *files, *FAST, "--json").check_success()
    tables = (files[0].with_suffix(".tsv"), tmp_path / "references.tsv.gz")
    assert here("evaluate", "captions", *tables, *FAST, "--json").check_success() == first
    shown = here("evaluate", "captions", *files, *FAST, "-o", tmp_path / "s.json").check_success()
    assert (tmp_path / "s.json").read_text() == first
    assert "Next:" not in shown
    assert here("evaluate", "captions", *files, *FAST, "--json", "--seed", "1").check_success() != first


def test_what_is_left_out_is_said(here, files, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = " ".join(here("evaluate", "captions", *files, "--bootstrap", "0").check_success().split())
    assert "Left out: METEOR needs Java, which is not on the path" in out
    assert "Left out: SPICE needs Java" in out
    assert "no intervals, seed 0." in out
    assert out.endswith(f"Next: crossgap evaluate captions {files[0]} {files[1]} -o scores.json")


def test_items_without_a_prediction_are_left_out_and_noted(here, files):
    kept = files[0].read_text().splitlines(keepends=True)[:1]
    files[0].write_text("".join(kept))
    out = " ".join(here("evaluate", "captions", *files, *FAST).check_success().split())
    assert "of 12 items with references 11 have no prediction; they are left out." in out
    assert "with one item CIDEr-D is 0 whatever the caption" in out
    assert "no intervals, which need at least 10 items" in out


@pytest.mark.parametrize(
    ("which", "text", "fragments"),
    [
        (0, "", ("must hold captions, but it is empty", '"caption": "A dog runs."')),
        (0, "no tab here\n", ("line 1: must be an id, a tab and a caption, but it has no tab",)),
        (0, '{"id": "a", "caption": \n', ("line 1: must be JSON or tab-separated, but it is neither",)),
        (0, '{"id": "a"}\n', ("line 1: must have the keys id and caption",)),
        (0, '{"id": "a", "caption": 3}\n', ("line 1: caption must be one text",)),
        (0, '{"id": null, "caption": "x"}\n', ("line 1: an id must be text or a whole number",)),
        (
            0,
            '{"id": 1, "caption": "x"}\n{"id": "1", "caption": "y"}\n',
            ("each id once, but '1' comes again in line 2",),
        ),
        (0, '{"id": "new", "caption": "x"}\n', ("1 of 1 have none, the first with id 'new'",)),
        (0, "new\tcaption\x1b[31m\n", ("each prediction must have references",)),
        (1, '{"id": "photo-0", "captions": "x"}\n', ("line 1: captions must be a list of texts",)),
        (1, '{"id": "photo-0", "captions": ["x", 1]}\n', ("line 1: captions must be a list of texts",)),
        (1, '{"id": "photo-0", "captions": []}\n', ("12 of 12 have none, the first with id 'photo-0'",)),
        (0, "[" * 10, ("it has no tab",)),
        (0, '{"a":' * 100_000, ("line 1: must be JSON or tab-separated",)),
    ],
)
def test_bad_files_are_refused(here, files, which, text, fragments):
    files[which].write_text(text)
    here("evaluate", "captions", *files, *FAST).check_refusal(*fragments)


def test_bad_bytes_missing_files_and_bad_options_are_refused(here, files, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"\xff\xfe\x00a\n")
    here("evaluate", "captions", bad, files[1]).check_refusal("must be text in UTF-8, but it is not")
    compressed = tmp_path / "bad.tsv.gz"
    compressed.write_bytes(b"a\tcaption\n")
    here("evaluate", "captions", compressed, files[1]).check_refusal("must be text in UTF-8, but it is not")
    here("evaluate", "captions", tmp_path / "none", files[1]).check_refusal(
        "cannot be used (no such file or directory)"
    )
    here("evaluate", "captions", tmp_path, files[1]).check_refusal("cannot be used (is a directory)")
    here("evaluate", "captions", *files, "--scores", "rouge").check_refusal("scores must be some of bleu, rouge_l")
    here("evaluate", "captions", *files, "--bootstrap", "1").check_refusal("replicates must be 0 or at least 2")
    here("evaluate", "captions", *files, "-o", files[0]).check_refusal("is a file of the source")
    here("evaluate", "captions", *files, "-o", tmp_path).check_refusal("the output must be a file")
    assert files[0].read_text().startswith('{"id"')


def test_captions_of_the_real_data_agree_among_people(here, shared_data, tmp_path):
    photos: dict[str, list[str]] = {}
    with gzip.open(shared_data / "captions" / "coco_val2017.tsv.gz", "rt", encoding="utf-8") as file:
        for line in file:
            photo, caption = line.rstrip("\n").split("\t", 1)
            photos.setdefault(photo, []).append(caption)
    chosen = list(photos)[:300]
    (tmp_path / "p.tsv").write_text("".join(f"{photo}\t{photos[photo][0]}\n" for photo in chosen))
    (tmp_path / "r.tsv").write_text("".join(f"{photo}\t{one}\n" for photo in chosen for one in photos[photo][1:]))
    found = json.loads(
        here("evaluate", "captions", tmp_path / "p.tsv", tmp_path / "r.tsv", *FAST, "--json").check_success()
    )
    values = {entry["name"]: entry["value"] for entry in found["measurements"]}
    assert 0.15 < values["bleu_4"] < 0.3
    assert 0.4 < values["rouge_l"] < 0.55
    assert 0.7 < values["cider_d"] < 1.2


def test_references_in_the_predictions_are_enough(process, files, tmp_path):
    both = tmp_path / "captions.jsonl"
    both.write_text(
        "".join(
            json.dumps({"id": item, "caption": one, "references": several}) + "\n"
            for item, (one, several) in CAPTIONS.items()
        )
    )
    apart = process("evaluate", "captions", *files, *FAST, "--json").check_success()
    assert process("evaluate", "captions", both, *FAST, "--json").check_success() == apart
    assert process("evaluate", "captions", both, both, *FAST, "--json").check_success() == apart
    failed = process("evaluate", "captions", files[0], *FAST)
    assert failed.code == 2
    assert "holds a prediction alone; give a file of REFERENCES" in failed.err
