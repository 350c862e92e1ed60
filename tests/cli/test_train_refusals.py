"""``crossgap train`` with a bad configuration: one sentence that names the key, and nothing is written."""

import numpy as np
import pytest

GOOD = '[data]\nsource = "pairs.npz"\n'


@pytest.fixture
def folder(tmp_path):
    """A folder with a good source."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pairs.npz", image=rng.standard_normal((40, 6)), text=rng.standard_normal((40, 5)))
    return tmp_path


def refused(folder, here, *words: str) -> None:
    """Run the command and check the sentence and that nothing was written."""
    before = sorted(path.name for path in folder.iterdir())
    done = here("train", "run.toml", cwd=folder)
    done.check_refusal(*words)
    assert sorted(path.name for path in folder.iterdir()) == before


BAD = [
    # the file
    ("[data\n", ["'run.toml' is no TOML (", "mend it there"]),
    # tables and keys
    ("[date]\nsource = 'x'\n", ["unknown table [date]; write data."]),
    ("[hooks]\n", ["unknown table [hooks]; choose from data, model, loss,"]),
    ("data = 3\n", ["data must be a table, but it is 3; write [data]"]),
    ("[run]\nepochs = 3\n", ["the configuration has no data.source"]),
    (f"{GOOD}[optimiser]\nlerning_rate = 1\n", ["unknown key optimiser.lerning_rate; write optimiser.learning_rate."]),
    (f"{GOOD}[run]\nxyz = 1\n", ["unknown key run.xyz; choose from run.epochs, run.batch_size,"]),
    # types
    ("[data]\nsource = 3\n", ["data.source must be a string or a list of strings, but it is 3"]),
    ("[data]\nsource = []\n", ["data.source must be a string or a list of strings, but it is []"]),
    (f"{GOOD}held_out = 'some'\n", ["data.held_out must be a fraction or a number of items, but it is 'some'"]),
    (f"{GOOD}[run]\nepochs = 2.0\n", ["run.epochs must be a whole number, but it is 2.0"]),
    (f"{GOOD}[run]\nepochs = true\n", ["run.epochs must be a whole number, but it is True"]),
    (f"{GOOD}[optimiser]\neps = 'x'\n", ["optimiser.eps must be a number, but it is 'x'"]),
    (f"{GOOD}[optimiser]\ndecay_all = 1\n", ["optimiser.decay_all must be true or false, but it is 1"]),
    (f"{GOOD}[optimiser]\nbetas = 0.9\n", ["optimiser.betas must be a list of two numbers, but it is 0.9"]),
    (f"{GOOD}[optimiser]\nschedule = 1\n", ["optimiser.schedule must be a string, but it is 1; choose from constant,"]),
    # ranges
    (f"{GOOD}groups = ['image']\n", ["data.groups must be two different names, but it is ['image']"]),
    (f"{GOOD}groups = ['text', 'text']\n", ["data.groups must be two different names"]),
    (f"{GOOD}held_out = 1.0\n", ["data.held_out must be a fraction below 1 or a number of at least 2 items"]),
    (f"{GOOD}held_out = 1\n", ["data.held_out must be a fraction below 1 or a number of at least 2 items"]),
    (f"{GOOD}[run]\nbatch_size = 1\n", ["run.batch_size must be at least 2, but it is 1; raise it"]),
    (f"{GOOD}[run]\nprecision = 'fp8'\n", ["run.precision is 'fp8', but it is one of float32, bf16, fp16"]),
    (
        f"{GOOD}[optimiser]\nlearning_rate = 0\n",
        ["optimiser.learning_rate must be a finite number above 0 and below 1e+06, but it is 0"],
    ),
    (f"{GOOD}[optimiser]\nlearning_rate = inf\n", ["optimiser.learning_rate must be a finite number above 0"]),
    (
        f"{GOOD}[optimiser]\nlearning_rate = 1e300\n",
        ["optimiser.learning_rate must be a finite number above 0 and below 1e+06, but it is 1e+300"],
    ),
    (f"{GOOD}[optimiser]\neps = 1e300\n", ["optimiser.eps must be a finite number above 0 and below 1e+06"]),
    (f"{GOOD}[run]\ntensorboard = 3\n", ["run.tensorboard must be a string that is not empty, but it is 3"]),
    (f"{GOOD}[run]\ntrackio = ''\n", ["run.trackio must be a string that is not empty, but it is ''"]),
    (f"{GOOD}[optimiser]\nweight_decay = -1\n", ["optimiser.weight_decay must be a finite number of at least 0"]),
    (
        f"{GOOD}[optimiser]\nschedule = 'exponential'\nfactor = 1.5\n",
        ["optimiser.factor must be a finite number above 0 and below 1, but it is 1.5"],
    ),
    (f"{GOOD}[optimiser]\nbetas = [0.9, 1]\n", ["optimiser.betas must be two numbers from 0 to below 1"]),
    (f"{GOOD}[temperature]\ninitial = 0.001\n", ["temperature.initial must lie from temperature.lowest", "0.001"]),
    # keys that do not go together
    (f"{GOOD}[model]\nhidden = 8\n", ["model.hidden belongs to model.tower = 'mlp', but model.tower is 'linear'"]),
    (
        f"{GOOD}[temperature]\nlast = 0.1\n",
        ["temperature.last belongs to temperature.schedule = 'linear' or 'cosine', but temperature.schedule is 'none'"],
    ),
    (
        f"{GOOD}[temperature]\nschedule = 'linear'\nlearnable = true\n",
        ["temperature.learnable must be false with the schedule 'linear', but it is true"],
    ),
    (f"{GOOD}[temperature]\nschedule = 'fixed-then-learned'\n", ["temperature.steps must be given with the schedule"]),
    ("[data]\nimages = 3\n", ["data.images must be a string that is not empty, but it is 3"]),
    ("[data]\nimages = ''\n", ["data.images must be a string that is not empty, but it is ''"]),
    (f"{GOOD}images = 'a'\n", ["data.source and data.images must not both be given"]),
    (f"{GOOD}captions = 'a'\n", ["data.captions belongs to data.images, which is not given"]),
    (f"{GOOD}image_key = 'a'\n", ["data.image_key belongs to data.images, which is not given"]),
    ("[data]\nimages = 'a'\ncaptions = 'b'\ngroups = ['a', 'b']\n", ["data.groups belongs to data.source"]),
    ("[data]\nimages = 'a'\n", ["data.captions must be given with data.images"]),
    ("[data]\nimages = 'a'\ncaptions = 'b'\n", ["model.tower = 'linear' needs data.source, but data.images is given"]),
    (f"{GOOD}[model]\ntower = 'transformer'\n", ["model.tower = 'transformer' needs data.images, but data.source is"]),
    (f"{GOOD}[model]\ntower = 'hugging-face'\n", ["model.path must be given with model.tower = 'hugging-face'"]),
    (
        f"{GOOD}[model]\nlayers = 2\n",
        ["model.layers belongs to model.tower = 'mlp' or 'transformer', but model.tower is 'linear'"],
    ),
    # losses
    (f"{GOOD}[loss]\n", ["[loss] is empty, so there is nothing to minimise"]),
    (
        f"{GOOD}[loss]\nclip_los = 1\n",
        ["loss.clip_los is no loss that a configuration can name; write loss.clip_loss."],
    ),
    (f"{GOOD}[loss]\nclip_loss = 'x'\n", ["loss.clip_loss must be a weight, or a table with one, but it is 'x'"]),
    (f"{GOOD}[loss]\nclip_loss = nan\n", ["loss.clip_loss must have a finite weight, but it is nan"]),
    (f"{GOOD}[loss]\ncloob_loss = {{hopfield = 8}}\n", ["loss.cloob_loss has no option 'hopfield'", "hopfield_scale."]),
    (f"{GOOD}[loss]\nclip_loss = {{check = false}}\n", ["loss.clip_loss has no option 'check'"]),
    (
        f"{GOOD}[loss]\ncloob_loss = {{leave_one_out = 1}}\n",
        ["loss.cloob_loss.leave_one_out must be true or false, but it is 1"],
    ),
    (
        f"{GOOD}[loss]\ncloob_loss = {{hopfield_scale = true}}\n",
        ["loss.cloob_loss.hopfield_scale must be a number, or false for none, but it is True"],
    ),
    (f"{GOOD}[loss]\nuniformity_loss = {{t = '2'}}\n", ["loss.uniformity_loss.t must be a number, but it is '2'"]),
    (f"{GOOD}[loss]\nuniformity_loss = {{t = inf}}\n", ["loss.uniformity_loss.t must be finite, but it is inf"]),
    (f"{GOOD}[loss]\ncloob_loss = {{hopfield_scale = -1}}\n", ["hopfield_scale"]),
    # what depends on the data
    ("[data]\nsource = 'nowhere.npz'\n", ["there is no file or folder", "nowhere.npz"]),
    ("[data]\nsource = 'one.npz'\n", ["data.source must hold two groups, but it holds only 'image'"]),
    (
        "[data]\nsource = 'deep.npz'\n",
        [
            "it holds only 'image' ('deep.npz': array 'text' with shape (9, 5, 6)",
            "add the other one: source = ['image=img.npy', 'text=txt.npy'], or for several captions an item rows of",
        ],
    ),
    ("[data]\nsource = 'three.npz'\n", ["data.source holds 3 groups (image, text, audio)", "name them in data.groups"]),
    (
        f"{GOOD}groups = ['image', 'texts']\n",
        ["data.groups names 'texts', which data.source does not hold; write text."],
    ),
    ("[data]\nsource = 'unpaired.npz'\n", ["nothing pairs: image (8 rows) and text (9 rows) have no item ids"]),
    ("[data]\nsource = 'nan.npz'\n", ["text must be finite, but row 3 holds a NaN"]),
    ("[data]\nsource = 'zero.npz'\n", ["text must have rows of a length above zero, but row 3 is all zeros"]),
    (f"{GOOD}held_out = 39\n", ["data.held_out = 39 leaves 1 of 40 items to train on and 39 to measure"]),
    (f"{GOOD}held_out = 0.01\n", ["data.held_out = 0.01 leaves 40 of 40 items to train on and 0 to measure"]),
    (f"{GOOD}held_out = 50\n", ["data.held_out = 50 leaves 0 of 40 items to train on and 40 to measure"]),
    (f"{GOOD}[optimiser]\nwarmup_steps = 10\n", ["optimiser.warmup_steps must be below the 10 steps of the run"]),
]


@pytest.mark.parametrize(("text", "fragments"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_configurations(folder, here, text, fragments):
    rows = np.random.default_rng(1).standard_normal((9, 6))
    np.savez(folder / "one.npz", image=rows)
    np.savez(folder / "three.npz", image=rows, text=rows, audio=rows)
    np.savez(folder / "deep.npz", image=rows, text=np.ones((9, 5, 6)))
    np.savez(folder / "zero.npz", image=rows, text=np.where(np.arange(9)[:, None] == 3, 0, rows))
    np.savez(folder / "unpaired.npz", image=rows[:8], text=rows)
    np.savez(folder / "nan.npz", image=rows, text=np.where(np.arange(9)[:, None] == 3, np.nan, rows))
    (folder / "run.toml").write_text(text, encoding="utf-8")
    refused(folder, here, *fragments)


def test_text_that_is_no_unicode(folder, here):
    (folder / "run.toml").write_bytes(b"[data]\nsource = '\xff'\n")
    refused(folder, here, "'run.toml' is no TOML (")


def test_no_such_configuration(folder, here):
    here("train", "nowhere.toml", cwd=folder).check_refusal("'nowhere.toml' does not exist or is no file")
    here("train", ".", cwd=folder).check_refusal("'.' does not exist or is no file")


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_no_gpu(folder, here):
    (folder / "run.toml").write_text(f"{GOOD}[run]\ndevice = 'cuda'\n", encoding="utf-8")
    refused(folder, here, "run.device is 'cuda', but torch finds no GPU here")


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ("run.epochs", ["a change must be table.key=value, but it is 'run.epochs'"]),
        ("epochs=3", ["a change must be table.key=value, but it is 'epochs=3'"]),
        ("run.epochs=[1", ["the value of 'run.epochs=[1' is none of TOML ("]),
        ("run.epochs=", ["the value of 'run.epochs=' is none of TOML ("]),
        ("run.epochs=1\nseed = 2", ["a change must set one key, but", "holds several lines"]),
        ("loss.clip_loss.weight=2", ["sets a key of loss.clip_loss, but loss.clip_loss is 1.0"]),
        ("run.epochs=many", ["run.epochs must be a whole number, but it is 'many'"]),
    ],
)
def test_bad_changes(folder, here, change, fragments):
    (folder / "run.toml").write_text(f"{GOOD}[loss]\nclip_loss = 1.0\n", encoding="utf-8")
    here("train", "run.toml", "--set", change, cwd=folder).check_refusal(*fragments)


def test_wrong_usage(here):
    done = here("train")
    assert done.code == 2
    assert "CONFIG" in done.err
    done = here("train", "run.toml", "--bootstrap", "-1")
    assert done.code == 2
