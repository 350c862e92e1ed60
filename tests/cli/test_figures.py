"""``crossgap figures``: files in a folder, nobody else's written over, one sentence where it cannot be."""

import json

import pytest


@pytest.fixture(scope="module")
def gap(process, files, tmp_path_factory):
    """A report of 60 pairs, without details."""
    path = tmp_path_factory.mktemp("gap") / "gap.json"
    metrics = "centroid_distance,recall_at_k,modality_share_at_k"
    process("measure", files / "pairs.npz", "--metrics", metrics, "--bootstrap", "0", "-o", path).check_success()
    return path


def test_files_and_names(here, gap, tmp_path):
    out = here("figures", gap, "-o", tmp_path / "pictures", "--format", "svg,tex").check_success()
    names = {"mixed-shares.svg", "retrieval-image-text.svg", "table.tex"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == names
    assert "retrieval-image-text  How often a search finds its match" in out
    assert "Written: 3 files (svg, tex)" in out
    assert out.splitlines()[-1].startswith("Next: \\input{")


def test_it_writes_the_same_again(here, gap, tmp_path):
    arguments = ("figures", gap, "-o", tmp_path / "out", "--format", "svg,pdf,png,tex", "--only", "retrieval")
    here(*arguments).check_success()
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    here(*arguments).check_success()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    assert len(first) == 4


def test_width(here, gap, tmp_path):
    here("figures", gap, "-o", tmp_path, "--only", "retrieval", "--width", "333").check_success()
    assert b'width="333"' in (tmp_path / "retrieval-image-text.svg").read_bytes()


def test_json(here, gap, tmp_path):
    out = here("figures", gap, "-o", tmp_path, "--only", "retrieval,mixed-shares", "--json").check_success()
    document = json.loads(out)
    assert [one["name"] for one in document["figures"]] == ["mixed-shares", "retrieval-image-text"]
    assert document["written"] == [str(tmp_path / f"{one['name']}.svg") for one in document["figures"]]


def test_next_step_is_a_command(here, gap, tmp_path):
    out = here("figures", gap, "-o", tmp_path, "--only", "retrieval").check_success()
    assert out.splitlines()[-1] == f"Next: crossgap figures {gap} -o {tmp_path} --format pdf,tex"


def test_a_foreign_file_stays(here, gap, tmp_path):
    mine = tmp_path / "retrieval-image-text.svg"
    mine.write_text("<svg>mine</svg>")
    here("figures", gap, "-o", tmp_path).check_refusal(
        "retrieval-image-text.svg", "was not written by crossgap figures"
    )
    assert mine.read_text() == "<svg>mine</svg>"
    assert list(tmp_path.iterdir()) == [mine]


def test_a_changed_file_stays(here, gap, tmp_path):
    here("figures", gap, "-o", tmp_path, "--only", "retrieval").check_success()
    path = tmp_path / "retrieval-image-text.svg"
    path.write_bytes(path.read_bytes().replace(b"image", b"photo"))
    here("figures", gap, "-o", tmp_path).check_refusal("was changed since")


def test_a_folder_in_the_place_of_a_picture(here, gap, tmp_path):
    (tmp_path / "retrieval-image-text.svg").mkdir()
    here("figures", gap, "-o", tmp_path).check_refusal("must be a plain file")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--format", "svg,gif"), ("--format must be some of svg, pdf, png, tex", "'svg,gif'")),
        (("--only", "retrieva"), ("there is no chart 'retrieva'", "mixed-shares, retrieval-image-text")),
        (("--only", ""), ("there is no chart ''",)),
    ],
)
def test_refusals(here, gap, tmp_path, arguments, fragments):
    here("figures", gap, "-o", tmp_path / "out", *arguments).check_refusal(*fragments)
    assert not (tmp_path / "out").exists()


def test_the_output_must_be_a_folder(here, gap, tmp_path):
    here("figures", gap, "-o", gap).check_refusal("must be a folder")
    here("figures", gap, "-o", tmp_path / "no" / "where").check_refusal("does not exist")


def test_no_report(here, tmp_path):
    here("figures", tmp_path / "gap.json").check_refusal("there is no report")


def test_a_report_without_numbers_for_a_chart(here, files, tmp_path):
    path = tmp_path / "gap.json"
    metrics = ("--metrics", "centroid_distance", "--bootstrap", "0")
    here("measure", files / "pairs.npz", *metrics, "-o", path).check_success()
    here("figures", path, "-o", tmp_path / "out").check_refusal("no numbers for a chart", "crossgap measure SOURCE")
    here("figures", path, "-o", tmp_path / "out", "--format", "tex").check_success()


def test_stopped_while_drawing_leaves_nothing(here, gap, tmp_path, monkeypatch):
    from crossgap.report.charts import picture

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(picture, "picture", stop)
    assert here("figures", gap, "-o", tmp_path / "out").code == 130
    assert not (tmp_path / "out").exists()
