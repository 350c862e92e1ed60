"""``crossgap reproduce``: the list, the run of one experiment, and what it refuses."""

import json

import pytest

from crossgap.reproduce.table import Row, Table

NAMES = [
    "loss_ablation",
    "same_modality",
    "temperature_sweep",
    "fine_tuning",
    "frozen_towers",
    "sphere",
    "free_points",
    "explained_variance",
    "translation_sweep",
    "post_hoc",
    "space_geometry",
    "local_dimension",
    "constant_gap",
    "idle_coordinates",
    "collapse_with_depth",
    "stable_region",
    "attribute_transfer",
    "caption_transfer",
    "low_data",
    "picture_transfer",
]


@pytest.fixture
def calls(monkeypatch) -> list[dict]:
    """Put a quick experiment in the place of a real one; return how it is called."""
    seen = []

    def run(
        *,
        scale="small",
        seed=0,
        output=None,
        progress=None,
        heads: int = 2,
        features: str | None = None,
        settings: tuple = (),
        **paths,
    ):
        seen.append({"scale": scale, "seed": seed, "output": output, "heads": heads, "features": features, **paths})
        if progress is not None:
            progress(1, 1, "d=4")
        row = Row(condition={"d": 4}, measured={"centroid_distance": (0.25, 0.5)})
        table = Table(name="loss_ablation", title="A quick one.", columns=("centroid_distance",), rows=(row,))
        if output is not None:
            table.write(output)
            output.with_suffix(".svg").write_text("<svg/>")
        return table

    monkeypatch.setattr("crossgap.reproduce.loss_ablation.run", run)
    return seen


def test_without_a_name_it_lists_the_experiments(here):
    lines = here("reproduce").check_success().splitlines()
    assert [line.split()[0] for line in lines if line[:1] not in (" ", "")] == [*NAMES, "Next:"]
    assert any(": " in line for line in lines)
    assert lines[-1] == "Next: crossgap reproduce loss_ablation (or any other name)"


def test_the_list_as_json(here):
    found = json.loads(here("reproduce", "--json").check_success())
    assert [entry["name"] for entry in found] == NAMES
    assert all(entry["summary"].endswith(".") for entry in found)


def test_every_experiment_takes_what_the_command_gives(here):
    import importlib
    import inspect

    for name in NAMES:
        parameters = inspect.signature(importlib.import_module(f"crossgap.reproduce.{name}").run).parameters
        assert {"scale", "seed", "output", "progress"} <= set(parameters)


def test_it_prints_the_table(calls, here):
    lines = here("reproduce", "loss_ablation").check_success().splitlines()
    assert lines[0] == "A quick one."
    assert "0.375±0.125" in "\n".join(lines)
    assert lines[-1] == "Next: crossgap reproduce loss_ablation -o results (writes results/loss_ablation.json)"
    assert calls == [{"scale": "small", "seed": 0, "output": None, "heads": 2, "features": None}]


def test_it_writes_the_table(calls, here, tmp_path):
    words = ["--scale", "full", "--seed", "4", "--set", "heads=3", "--set", "features=a.npz", "--set", "images=b"]
    out = here("reproduce", "loss_ablation", *words, "-o", "results/new", cwd=tmp_path).check_success()
    assert "Written: results/new/loss_ablation.json, results/new/loss_ablation.svg" in out
    assert out.splitlines()[-1].startswith("Next: crossgap ")
    (call,) = calls
    assert str(call.pop("output")) == "results/new/loss_ablation.json"
    assert call == {"scale": "full", "seed": 4, "heads": 3, "features": "a.npz", "images": "b"}
    document = json.loads((tmp_path / "results" / "new" / "loss_ablation.json").read_text(encoding="utf-8"))
    assert document["experiment"] == "loss_ablation"


def test_json_prints_the_table_and_nothing_else(calls, here, tmp_path):
    out = here("reproduce", "loss_ablation", "--json", "-o", tmp_path).check_success()
    assert (tmp_path / "loss_ablation.json").read_text(encoding="utf-8") == out
    here("reproduce", "loss_ablation", "--json", "-o", tmp_path).check_success()  # an older result is replaced


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["loss_ablatoin"], ["there is no experiment 'loss_ablatoin'; choose from loss_ablation"]),
        (["xyz"], ["choose from loss_ablation, same_modality, temperature_sweep"]),
        (["loss_ablation", "--scale", "big"], ["--scale is 'big', but it is small or full"]),
        (["loss_ablation", "--set", "heads"], ["an option must be key=value, but it is 'heads'"]),
        (["loss_ablation", "--set", "seed=3"], ["an option must be key=value, but it is 'seed=3'"]),
        (["loss_ablation", "--set", "haeds=3"], ["has no option 'haeds' at the small scale; choose from heads"]),
        (["loss_ablation", "--set", "settings=3"], ["has no option 'settings' at the small scale"]),
        (["loss_ablation", "--set", "heads=[3"], ["the value of 'heads=[3' is none of TOML ("]),
        (["loss_ablation", "--set", "heads=many"], ["heads must be a whole number, but it is 'many'; change --set"]),
        (["loss_ablation", "--set", "heads=true"], ["heads must be a whole number, but it is True"]),
        (["loss_ablation", "--set", "features=3"], ["features must be a word, but it is 3"]),
        (["loss_ablation", "-o", "-"], ["the output must be a path"]),
    ],
)
def test_refusals(calls, here, tmp_path, words, fragments):
    here("reproduce", *words, cwd=tmp_path).check_refusal(*fragments)
    assert calls == []
    assert list(tmp_path.iterdir()) == []


ON_PICTURES = ["loss_ablation", "same_modality", "fine_tuning", "sphere", "explained_variance"]


@pytest.mark.parametrize("name", ON_PICTURES)
def test_an_option_that_the_full_scale_does_not_know(here, name):
    here("reproduce", name, "--scale", "full", "--set", "images=a", "--set", "bogus=3").check_refusal(
        f"{name} has no option 'bogus' at the full scale; choose from ", "epochs", "images"
    )


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ON_PICTURES)))
def test_an_experiment_without_pictures_takes_no_option_of_theirs(here, name):
    here("reproduce", name, "--scale", "full", "--set", "epochs=3").check_refusal(
        f"{name} has no option 'epochs' at the full scale; choose from "
    )


@pytest.mark.parametrize(
    ("name", "option", "fragment"),
    [
        ("loss_ablation", "dimensions=[32]", "loss_ablation has no option 'dimensions'"),  # it has its own
        ("loss_ablation", "losses={}", "has no option 'losses'"),
        ("fine_tuning", "dimensions=[32, 0.5]", "dimensions must be a list of whole numbers, but it is [32, 0.5]"),
        ("fine_tuning", "dimensions=[]", "dimensions must be a list of whole numbers, but it is []"),
        ("same_modality", "temperatures=0.07", "temperatures must be a list of numbers, but it is 0.07"),
        ("same_modality", "precision=fp8", "precision must be one of float32, bf16, fp16, but it is 'fp8'"),
        ("sphere", "vision=3", "vision must be a table, but it is 3"),
        ("sphere", "temperature=hot", "temperature must be a number, but it is 'hot'"),
    ],
)
def test_values_that_the_full_scale_does_not_take(here, name, option, fragment):
    here("reproduce", name, "--scale", "full", "--set", option).check_refusal(fragment)


def test_another_file_is_not_overwritten(calls, here, tmp_path):
    (tmp_path / "loss_ablation.json").write_text("notes")
    here("reproduce", "loss_ablation", "-o", tmp_path).check_refusal("exists and is no JSON of an earlier run")
    assert calls == []


def test_an_interrupt(here, monkeypatch):
    def run(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("crossgap.reproduce.loss_ablation.run", run)
    done = here("reproduce", "loss_ablation")
    assert (done.code, done.out, done.err) == (130, "", "interrupted; nothing was written.\n")
