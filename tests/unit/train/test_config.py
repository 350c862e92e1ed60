"""Configurations: tables, their text, and the run that is built of them."""

import dataclasses
import tomllib

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.losses.cloob import cloob_loss
from crossgap.train.config import (
    DataTable,
    ModelTable,
    OptimiserTable,
    RunTable,
    TemperatureTable,
    TrainingConfig,
    as_tables,
    config_from,
)
from crossgap.train.config_file import config_text, read_config
from crossgap.train.from_config import configured_run
from crossgap.train.item_pairs import ItemPairs
from crossgap.train.loss_terms import LOSSES, LossTerm


def test_tables_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunTable().epochs = 3


def test_values_are_kept_in_the_type_they_are_used_in():
    config = config_from({"data": {"source": "a.npz"}, "optimiser": {"learning_rate": 1, "betas": [0, 0.5]}})
    assert config.data.source == ("a.npz",)
    assert config.optimiser.learning_rate == 1.0
    assert isinstance(config.optimiser.learning_rate, float)
    assert config.optimiser.betas == (0.0, 0.5)


def test_a_table_made_in_python_is_checked_too():
    with pytest.raises(ValueError, match=r"run\.epochs must be at least 1"):
        RunTable(epochs=0)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (ModelTable(), {"bias": False, "hidden": None, "layers": None}),
        (ModelTable(tower="mlp"), {"bias": None, "hidden": 256, "layers": 2}),
        (ModelTable(tower="mlp", layers=3), {"hidden": 256, "layers": 3}),
        (TemperatureTable(), {"learnable": True, "last": None, "steps": None}),
        (TemperatureTable(schedule="cosine"), {"learnable": False, "last": 0.01, "steps": None}),
        (TemperatureTable(schedule="fixed-then-learned", steps=9), {"learnable": True, "last": None, "steps": 9}),
        (OptimiserTable(), {"cycles": None, "factor": None, "every": None}),
        (OptimiserTable(schedule="cosine-restarts"), {"cycles": 10, "factor": None}),
        (OptimiserTable(schedule="exponential", every=7), {"factor": 0.9, "every": 7}),
    ],
)
def test_defaults_that_depend_on_a_choice(table, expected):
    assert {key: getattr(table, key) for key in expected} == expected


def test_text_and_tables_give_the_configuration_back():
    config = TrainingConfig(
        data=DataTable(source=('image=a "b" é\n.npy', "text=t.npy"), groups=("image", "text"), held_out=200, seed=4),
        model=ModelTable(tower="mlp", hidden=3),
        loss=(LossTerm(name="clip_loss", weight=-1e-9), LossTerm(name="cloob_loss", options={"hopfield_scale": False})),
        temperature=TemperatureTable(schedule="linear", steps=3),
        optimiser=OptimiserTable(learning_rate=1e-12, gradient_clip=1.0),
        run=RunTable(chunk_size=8),
    )
    assert config_from(tomllib.loads(config_text(config))) == config
    assert config_from(as_tables(config)) == config


def test_changes_are_applied_in_order(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\nsource = "a.npz"\n[run]\nepochs = 1\n', encoding="utf-8")
    config = read_config(
        path,
        [
            "run.epochs=2",
            "run.epochs=3",
            "model.tower=mlp",
            'data.source=["image=a.npy", "text=b.npy"]',
            "optimiser.learning_rate = 1e-4",
            "loss.clip_loss={weight=2.0, x_to_y_weight=1.0}",
            "loss.alignment_loss=1",
        ],
    )
    assert (config.run.epochs, config.model.tower, config.optimiser.learning_rate) == (3, "mlp", 1e-4)
    assert config.data.source == ("image=a.npy", "text=b.npy")
    assert config.loss == (
        LossTerm(name="clip_loss", weight=2.0, options={"x_to_y_weight": 1.0}),
        LossTerm(name="alignment_loss"),
    )


def test_every_loss_has_its_own_name_and_the_options_reach_it():
    assert all(loss.__name__ == name for name, loss in LOSSES.items())
    term = LossTerm(name="cloob_loss", options={"hopfield_scale": False, "leave_one_out": False})
    x, y = torch.nn.functional.normalize(torch.arange(24.0).reshape(2, 4, 3).cos(), dim=-1)
    expected = cloob_loss(x, y, 5.0, hopfield_scale=None, leave_one_out=False)
    assert torch.equal(term.function(x, y, 5.0), expected)


# the run


@pytest.fixture
def source(tmp_path) -> str:
    """60 items: one image of 8 numbers and one to three texts of 6 numbers each."""
    rng = np.random.default_rng(0)
    items = np.repeat(np.arange(60), rng.integers(1, 4, 60))
    shared = rng.standard_normal((60, 8))
    path = tmp_path / "pairs.npz"
    np.savez(path, **{
        "image": shared.astype(np.float32),
        "text": shared[items, :6].astype(np.float16),
        "image@items": np.arange(60),
        "text@items": items,
    })  # fmt: skip
    return str(path)


def small(source: str, **tables) -> TrainingConfig:
    """A run of few steps with the given values in place of its own."""
    base = {
        "data": {"source": source, "held_out": 12},
        "model": {"dimension": 4},
        "run": {"epochs": 2, "batch_size": 16, "device": "cpu"},
    }
    return config_from({name: {**base.get(name, {}), **tables.get(name, {})} for name in {**base, **tables}})


def outcome(config: TrainingConfig) -> list:
    """What the steps and the held-out items say."""
    made = configured_run(config)
    return [*made.run, None if made.held_out is None else dict(made.held_out.curve(made.model))]


CHANGES = [
    {"data": {"held_out": 0.5}},
    {"data": {"seed": 5}},
    {"data": {"groups": ["text", "image"]}},
    {"model": {"dimension": 5}},
    {"model": {"bias": True}},
    {"model": {"tower": "mlp"}},
    {"model": {"tower": "mlp", "hidden": 7}},
    {"model": {"tower": "mlp", "layers": 1}},
    {"loss": {"clip_loss": 2.0}},
    {"loss": {"clip_loss": {"x_to_y_weight": 0.7}}},
    {"temperature": {"initial": 0.1}},
    {"temperature": {"initial": 0.01, "learnable": False}},
    {"temperature": {"schedule": "linear", "lowest": 0.03}},
    {"temperature": {"highest": 0.07001, "learnable": True}},
    {"temperature": {"schedule": "linear"}},
    {"temperature": {"schedule": "linear", "last": 0.5}},
    {"temperature": {"schedule": "linear", "steps": 2}},
    {"temperature": {"schedule": "cosine"}},
    {"temperature": {"schedule": "fixed-then-learned", "steps": 3}},
    {"optimiser": {"learning_rate": 0.1}},
    {"optimiser": {"weight_decay": 30.0}},
    {"optimiser": {"betas": [0.5, 0.99]}},
    {"optimiser": {"eps": 0.1}},
    {"optimiser": {"decay_all": True, "weight_decay": 30.0}},
    {"optimiser": {"gradient_clip": 1e-8}},
    {"optimiser": {"schedule": "cosine"}},
    {"optimiser": {"schedule": "cosine-restarts", "cycles": 2}},
    {"optimiser": {"schedule": "exponential", "every": 1}},
    {"optimiser": {"schedule": "exponential", "every": 2}},
    {"optimiser": {"schedule": "exponential", "every": 1, "factor": 0.1}},
    {"optimiser": {"warmup_steps": 3}},
    {"run": {"epochs": 1}},
    {"run": {"batch_size": 12}},
    {"run": {"seed": 1}},
    {"run": {"precision": "bf16"}},
]


def test_every_value_matters(source):
    seen = {repr(outcome(small(source)))}
    for change in CHANGES:
        found = repr(outcome(small(source, **change)))
        assert found not in seen, f"{change} changes nothing, or the same as another change"
        seen.add(found)


def test_the_range_of_the_temperature(source):
    scale = configured_run(small(source, temperature={"lowest": 0.02, "highest": 0.5})).model.logit_scale
    assert (scale.lowest, scale.highest) == (2.0, 50.0)


def test_the_same_configuration_gives_the_same_run(source):
    assert outcome(small(source)) == outcome(small(source))


def test_chunks_give_the_same_steps(source):
    whole, chunked = outcome(small(source)), outcome(small(source, run={"chunk_size": 5}))
    assert [step.loss for step in chunked[:-1]] == pytest.approx([step.loss for step in whole[:-1]], rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains(source, name):
    made = configured_run(small(source, loss={name: 1.0}))
    assert (made.model.logit_bias is not None) == (name == "siglip_loss")
    steps = list(made.run)
    assert [set(step.terms) for step in steps] == [{name}] * 6


def test_items_are_held_out_whole(source):
    made = configured_run(small(source))
    held = made.held_out
    assert (len(made.pairs), len(held.pairs)) == (48, 12)
    assert not set(made.pairs.item_numbers.tolist()) & set(held.pairs.item_numbers.tolist())
    rows = np.load(source)
    assert len(made.pairs.y) + len(held.pairs.y) == len(rows["text"])
    embeddings = held.embeddings(made.model)
    assert list(embeddings) == ["image", "text"]
    assert (len(embeddings["image"]), len(embeddings["text"])) == (12, len(held.pairs.y))
    pairs = embeddings.pairs("image", "text")
    assert len(pairs) == len(held.pairs.y)
    x = held.pairs.x[pairs.x_rows, :6]
    assert torch.allclose(x, held.pairs.y[pairs.y_rows].float(), atol=1e-2)


def test_measuring_leaves_a_frozen_part_in_its_mode(source):
    made = configured_run(small(source))
    made.model.x_tower.eval()
    made.held_out.curve(made.model)
    made.held_out.embeddings(made.model)
    assert (made.model.training, made.model.x_tower.training, made.model.y_tower.training) == (True, False, True)


def test_a_model_that_has_diverged_is_not_blamed_on_the_data(source):
    made = configured_run(small(source))
    with torch.no_grad():
        for values in made.model.y_tower.parameters():
            values.fill_(torch.nan)
    with pytest.raises(DegenerateError, match="rows of y that are zero or not finite, so the run has diverged"):
        made.held_out.curve(made.model)


def test_measuring_leaves_the_model_as_it_was(source):
    made = configured_run(small(source))
    made.model.train()
    made.held_out.embeddings(made.model)
    assert made.model.training


def test_the_split_has_a_seed_of_its_own(source):
    held = [
        configured_run(small(source, data={"seed": 3}, run={"seed": seed})).held_out.pairs.item_numbers.tolist()
        for seed in (0, 1)
    ]
    assert held[0] == held[1]


# items with several rows


def _pairs(seed: int = 0) -> ItemPairs:
    x = torch.tensor([0.0, 10.0, 11.0, 20.0, 99.0])[:, None]
    y = torch.tensor([22.0, 0.5, 21.0, 10.5, 23.0])[:, None]
    return ItemPairs(x, y, x_items=np.array([0, 1, 1, 2, 7]), y_items=np.array([2, 0, 2, 1, 2]), seed=seed)


def test_each_epoch_draws_one_row_of_each_item():
    pairs = _pairs()
    assert len(pairs) == 3
    assert pairs.several
    seen = set()
    for epoch in range(40):
        x, y = pairs.batch(torch.tensor([2, 0, 1]), epoch)
        assert (x // 10).flatten().tolist() == [2, 0, 1]
        assert (y // 10).flatten().tolist() == [2, 0, 1]
        again = pairs.batch(torch.tensor([2]), epoch)
        assert torch.equal(again[1], y[:1])
        seen |= {x[2].item(), y[0].item()}
    assert seen == {10.0, 11.0, 21.0, 22.0, 23.0}


def test_the_draw_is_a_function_of_seed_and_epoch():
    index = torch.arange(3)
    draws = [[_pairs(seed).batch(index, epoch)[1].tolist() for epoch in range(20)] for seed in (0, 0, 1)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_first_rows():
    x, y = _pairs().first_rows()
    assert (x.flatten().tolist(), y.flatten().tolist()) == ([0.0, 10.0, 20.0], [0.5, 10.5, 22.0])


def test_the_fingerprint_tells_other_data():
    rows, items = torch.arange(4.0)[:, None], np.arange(4)

    def fingerprint(x=rows, y=rows, y_items=items, seed=0):
        return ItemPairs(x, y, x_items=items, y_items=y_items, seed=seed).fingerprint

    one = fingerprint()
    assert one == fingerprint()
    assert one == fingerprint(seed=1), "nothing is drawn"
    others = [fingerprint(x=rows + 1), fingerprint(y=rows + 1), fingerprint(y_items=items[::-1].copy())]
    assert len({one, *others}) == 4
    assert _pairs(0).fingerprint != _pairs(1).fingerprint


def test_items_that_do_not_fit():
    rows = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="x_items must number the item of each of the 2 rows"):
        ItemPairs(rows, rows, x_items=np.arange(3), y_items=np.arange(2))
    with pytest.raises(ValueError, match="must have an item in common"):
        ItemPairs(rows, rows, x_items=np.arange(2), y_items=np.arange(2) + 5)
