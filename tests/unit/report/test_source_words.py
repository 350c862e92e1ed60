"""The commands that a page names can be typed: they have the source that was measured."""

import dataclasses
import shlex

import pytest

from crossgap.report.source_words import (
    SAMPLE,
    close_command,
    doctor_command,
    in_passing,
    is_sample,
    measure_command,
    source_words,
)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("crossgap measure coco.parquet", "coco.parquet"),
        ("crossgap measure image=a.npy text=b.npy --seed 3 --bootstrap 50", "image=a.npy text=b.npy"),
        ("crossgap measure a.npz --groups image,text --unpaired --rows 500", "a.npz --groups image,text --unpaired"),
        ("crossgap measure a.npz --no-details --everything --precision 0.8", "a.npz"),
        ("crossgap measure 'my file.npz'", "'my file.npz'"),
        ("crossgap measure --seed", "SOURCE"),
        ("crossgap measure 'open", "SOURCE"),
        ("crossgap demo", "SOURCE"),
        ("", "SOURCE"),
        (None, "SOURCE"),
    ],
)
def test_the_source_is_what_was_measured(made_up, command, words):
    assert source_words(made_up(command=command)) == words


def test_commands_name_it(made_up):
    report = made_up(command="crossgap measure a.npz --unpaired --seed 7")
    assert measure_command(report, "--everything") == "crossgap measure a.npz --unpaired --everything --html gap.html"
    assert close_command(report) == "crossgap close a.npz --unpaired -o closer.safetensors"
    assert close_command(report, "mean-removal").endswith("--unpaired --method mean-removal -o closer.safetensors")
    assert doctor_command(report) == "crossgap doctor a.npz"
    assert in_passing(report, "explain") == "crossgap explain a.npz"
    assert in_passing(report, "close", "--score recall") == "crossgap close a.npz --unpaired --score recall"


def test_a_method_from_a_file_stays_one_word(made_up):
    words = shlex.split(close_command(made_up(command="crossgap measure a.npz"), "x; rm -r y"))
    assert words[4] == "x; rm -r y"


def test_where_nothing_is_known(made_up):
    assert in_passing(made_up(), "doctor") == "crossgap doctor"
    assert doctor_command(dataclasses.replace(made_up(), settings={})) == "crossgap doctor SOURCE"


def test_the_sample_is_no_source(made_up):
    sample = made_up(command="crossgap demo --seed 1")
    assert is_sample(sample)
    assert not is_sample(made_up())
    assert close_command(sample) == f"crossgap close {SAMPLE} -o closer.safetensors"
