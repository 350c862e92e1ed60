"""E13: text to image by a generator that saw no text: a flow on picture embeddings, used on texts; four arms."""

import base64
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from crossgap.data.embeddings import Embeddings
from crossgap.measure import RetrievalRanks, centroid_distance, frechet_distance, matched_cosine, retrieval_ranks
from crossgap.reproduce.kept_runs import KeptRuns
from crossgap.reproduce.picture_worlds import PictureWorld, frozen_rows, read_picture_world, shape_world, small_judge
from crossgap.reproduce.table import Ordering, Progress, Row, Table, check_counts, lower, ordering
from crossgap.transfer.pictures import PictureFlow, PictureGenerator, Sampling, fit_pictures, write_contact_sheet
from crossgap.transfer.preparation import ARMS, Preparation

__all__ = ["Judge", "Recipe", "run"]

Judge = Callable[[np.ndarray], np.ndarray]
"""Features (n, f) of pictures, bytes (n, 3, size, size)."""

_COLUMNS = ("recall_at_1", "recall_at_10", "median_rank", "geometric_rank", "frechet_distance")
_SOURCES = {
    "C3": "Zhang et al., arXiv 2401.08567: FID on COCO 29.8 (C1), 21.7 (C2_1), 19.8 (C2_2), 19.6 (C3), by LAFITE; "
    "another scale than the Fréchet distance here.",
    "issue": "Retrieval of the intended item by the generated picture.",
}
_CORRUPTED = ("C2_2", "C3")
_SHOWN = 16
_SAVED_EVERY = 250


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How pictures are made and learned; the defaults are those of the full scale.

    Parameters
    ----------
    size, patch, channels
        Of ``PictureFlow``.
    steps, search_steps, batch_size, learning_rate
        Of a training, and of the shorter ones that choose the noise.
    dimension
        Of the shared space of the dual encoder.
    guidance, sampling_steps
        Of ``Sampling``, by Heun's method.
    target_cosines
        Noise to choose from, for each arm that corrupts.
    precision
        Of the trainings.
    """

    size: int = 24
    patch: int = 2
    channels: tuple[int, ...] = (32, 64, 64)
    steps: int = 2000
    search_steps: int = 600
    batch_size: int = 32
    learning_rate: float = 2e-3
    dimension: int = 128
    guidance: float = 2.0
    sampling_steps: int = 8
    target_cosines: tuple[float, ...] = (0.4, 0.6, 0.8, 0.9)
    precision: Literal["float32", "bf16"] = "float32"


_SMALL = Recipe(
    size=16, channels=(16, 32), steps=800, search_steps=400, dimension=64, sampling_steps=8, target_cosines=(0.95,)
)


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    features: str | os.PathLike[str] | None = None,
    pictures: str | os.PathLike[str] | None = None,
    seeds: int | None = None,
    size: int | None = None,
    steps: int | None = None,
    dimension: int | None = None,
    guidance: float | None = None,
    target_cosines: Sequence[float] | None = None,
    precision: Literal["float32", "bf16"] | None = None,
    judge: Judge | None = None,
) -> Table:
    """Train a generator on pictures and their embeddings alone, and draw from the embeddings of held-out texts.

    How to read it: a dual encoder (two linear heads on frozen features, CLIP's loss) leaves a gap between pictures and
    texts. The generator learns "picture embedding to picture". Given the text of an item it never saw, it draws; the
    picture is then sought among the real pictures of all test items, and the item that was meant has a rank: R@1, R@10,
    the median and the geometric mean of the ranks (low is good), beside chance. The Fréchet distance is between the
    pictures made and the real ones of the same items. Both look through a network of their own, trained on the training
    pictures and texts from scratch; ``from_picture`` is R@10 when the condition is the item's own picture embedding:
    what the generator could do if there were nothing to cross.

    Parameters
    ----------
    scale
        "small": shapes that the package draws and a small network, half a minute an arm. "full": picture files, some
        minutes an arm.
    seed
        Of the first run; the parts (train, validation, test) have it too and are the same in all runs.
    output
        Where to write the JSON of the table; a contact sheet (.png) is put beside it, and single runs are kept in a
        folder beside it, so that a killed experiment goes on with the same result. None for nowhere.
    progress
        Called while trainings go on, with steps done and steps in all.
    features, pictures
        The files of ``read_picture_world``; both or neither. The full scale needs them.
    seeds
        Runs of each arm, each with heads, judge and generator of its own; None for 1 (small) or 3 (full).
    size, steps, dimension, guidance, target_cosines, precision
        In place of those of ``Recipe``. With several target cosines each arm that corrupts takes the one that ranks
        best on the validation part after a shorter training of the first seed.
    judge
        Further features to look through; its ``__name__`` names its columns.

    Returns
    -------
    One row for each arm, for chance, and for the dual encoder itself (text row to picture row).

    Raises
    ------
    ValueError
        If ``scale`` is unknown, the full scale has no files, or only one of ``features`` and ``pictures`` is given.
    MissingExtraError
        If diffusers or Pillow is not installed.

    Notes
    -----
    Cost on one core: about two minutes at the small scale; at the full scale some 4 minutes a training in bf16, 12 of
    them, and about 10 minutes of choosing. Features of the judge are centred on the real training pictures. A tie
    counts against the intended item.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 4.3; Zhou et al., *LAFITE*, CVPR
    2022.
    """
    check_counts(seeds=seeds, size=size, steps=steps, dimension=dimension)
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if (features is None) != (pictures is None) or (scale == "full" and features is None):
        raise ValueError(
            f"{'the full scale needs' if scale == 'full' else 'picture files need'} both features and pictures, but "
            f"{'features' if features is None else 'pictures'} is missing; give features=FILE and pictures=FILE."
        )
    if target_cosines is not None and (not target_cosines or not all(0 < target <= 1 for target in target_cosines)):
        raise ValueError(
            f"target_cosines must be numbers above 0 and up to 1, but they are {list(target_cosines)}; give for "
            f"example 0.6 and 0.8."
        )
    given = {"size": size, "steps": steps, "dimension": dimension, "guidance": guidance, "precision": precision}
    given |= {"target_cosines": None if target_cosines is None else tuple(target_cosines)}
    recipe = replace(_SMALL if scale == "small" else Recipe(), **{k: v for k, v in given.items() if v is not None})
    recipe = replace(recipe, search_steps=min(recipe.search_steps, recipe.steps))
    Sampling(guidance=recipe.guidance)  # refuses before anything is trained
    count = (1 if scale == "small" else 3) if seeds is None else seeds
    if features is None or pictures is None:
        world = shape_world(size=recipe.size, seed=seed)
    else:
        world = read_picture_world(features, pictures, size=recipe.size, seed=seed)
    settings = {"scale": scale, "seed": seed, "seeds": count, **asdict(recipe)}
    settings |= {"training_items": len(world.train), "test_items": len(world.test), "world": _checksum(world)}
    experiment = _Experiment(world, recipe, judge, KeptRuns(output, _lasting(settings, judge)), progress)
    chosen = experiment.choose(seed, count)
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    encoders = []
    for number in range(seed, seed + count):
        for arm in ARMS:
            found[arm].append(experiment.result(arm, number, chosen))
        encoders.append(experiment.encoder(number))
    table = _table(world, found, encoders, settings | {"chosen_target_cosines": chosen}, judge)
    if output is not None:
        table.write(output)
        _write_sheet(os.path.splitext(os.fspath(output))[0] + ".png", world, {a: r[0] for a, r in found.items()})
    return table


class _Experiment:
    """The trainings of one experiment, in order, each kept when it is done."""

    def __init__(
        self, world: PictureWorld, recipe: Recipe, judge: Judge | None, kept: KeptRuns, progress: Progress | None
    ) -> None:
        self.world, self.recipe, self.judge, self.kept, self.progress = world, recipe, judge, kept, progress
        self.done = self.total = 0
        self._seed: int | None = None

    def choose(self, seed: int, seeds: int) -> dict[str, float]:
        """Return the target cosine of each arm that corrupts, by the geometric mean rank on the validation part."""
        candidates = self.recipe.target_cosines
        self.total = seeds * len(ARMS) * self.recipe.steps
        if len(candidates) == 1:
            return dict.fromkeys(_CORRUPTED, candidates[0])
        self.total += len(_CORRUPTED) * len(candidates) * self.recipe.search_steps
        ranks = {
            arm: {target: self._tried(arm, seed, target)["geometric_rank"] for target in candidates}
            for arm in _CORRUPTED
        }
        return {arm: min(found, key=found.__getitem__) for arm, found in ranks.items()}

    def result(self, arm: str, seed: int, chosen: Mapping[str, float]) -> dict[str, Any]:
        """Return what an arm does on the test part."""
        target = chosen.get(arm)
        key = {"part": "test", "arm": arm, "seed": seed, "target_cosine": target, "steps": self.recipe.steps}
        return self._kept(key, self.world.test, from_picture=True)

    def encoder(self, seed: int) -> dict[str, float]:
        """Return the gap of the dual encoder and its own retrieval from text to picture on the test part."""
        self._prepare(seed)
        x, y = self.image[self.world.test], self.text[self.world.test]
        ranks = _ranks(retrieval_ranks(y, x, ties="pessimistic"))
        gap = {"centroid_distance": float(centroid_distance(x, y)), "matched_cosine": float(matched_cosine(x, y))}
        return ranks | gap

    def _tried(self, arm: str, seed: int, target: float) -> dict[str, Any]:
        key = {"part": "validation", "arm": arm, "seed": seed, "target_cosine": target}
        return self._kept({**key, "steps": self.recipe.search_steps}, self.world.validation, from_picture=False)

    def _kept(self, key: dict[str, Any], part: np.ndarray, *, from_picture: bool) -> dict[str, Any]:
        found = self.kept.get(key)
        if found is None:
            generator = self._trained(key)
            found = self._measured(generator, key["seed"], part, from_picture=from_picture)
            self.kept.put(key, found)
            checkpoint = self.kept.path(key, ".safetensors")
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
        else:
            self.done += key["steps"]
        self._tell(key)
        return found

    def _prepare(self, seed: int) -> None:
        """Train the dual encoder and the judge of a seed, unless they are at hand."""
        if self._seed == seed:
            return
        self.image, self.text = frozen_rows(self.world, dimension=self.recipe.dimension, seed=seed)
        self.judges = {"": small_judge(self.world, seed=seed)}
        if self.judge is not None:
            self.judges[f"/{_name(self.judge)}"] = self.judge
        self.centres = {
            name: look(self.world.pictures[self.world.train]).mean(axis=0) for name, look in self.judges.items()
        }
        self._seed = seed

    def _trained(self, key: Mapping[str, Any]) -> PictureGenerator:
        recipe, seed = self.recipe, key["seed"]
        self._prepare(seed)
        train = self.world.train
        preparation = Preparation.fit(
            Embeddings.from_arrays(image=self.image[train], text=self.text[train]),
            arm=key["arm"],
            learn_on="image",
            target_cosine=key["target_cosine"],
            seed=seed,
        )
        flow = PictureFlow(recipe.dimension, size=recipe.size, patch=recipe.patch, channels=recipe.channels, seed=seed)
        steps = fit_pictures(
            self.image[train],
            self.world.pictures[train],
            preparation,
            flow,
            batch_size=recipe.batch_size,
            epochs=max(1, round(key["steps"] * recipe.batch_size / len(train))),
            learning_rate=recipe.learning_rate,
            seed=seed,
            precision=recipe.precision,
        )
        checkpoint = self.kept.path(key, ".safetensors")
        if checkpoint is not None:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            if checkpoint.exists():
                steps.restore(checkpoint)
        before = self.done
        for _ in steps:
            if steps.step % 25 == 0:
                self.done = before + round(key["steps"] * steps.step / steps.total_steps)
                self._tell(key)
            if checkpoint is not None and steps.step % _SAVED_EVERY == 0:
                steps.save(checkpoint)
        self.done = before + key["steps"]
        return PictureGenerator(preparation, flow)

    def _measured(
        self, generator: PictureGenerator, seed: int, part: np.ndarray, *, from_picture: bool
    ) -> dict[str, Any]:
        """Make a picture from each text of a part, and look for what was meant among the real ones."""
        how = Sampling(guidance=self.recipe.guidance, steps=self.recipe.sampling_steps, seed=seed)
        made = generator.pictures(self.text[part], group="text", sampling=how)
        own = generator.pictures(self.image[part], group="image", sampling=how) if from_picture else None
        found: dict[str, Any] = {}
        for name, look in self.judges.items():
            real, drawn = (look(some) - self.centres[name] for some in (self.world.pictures[part], made))
            found |= {f"{key}{name}": v for key, v in _ranks(retrieval_ranks(drawn, real, ties="pessimistic")).items()}
            found[f"frechet_distance{name}"] = float(frechet_distance(drawn, real))
            if own is not None:
                ranks = retrieval_ranks(look(own) - self.centres[name], real, ties="pessimistic")
                found[f"from_picture{name}"] = _ranks(ranks)["recall_at_10"]
        found["pictures"] = _packed(made[:_SHOWN])
        return found

    def _tell(self, key: Mapping[str, Any]) -> None:
        if self.progress is not None:
            target = "" if key["target_cosine"] is None else f", target cosine {key['target_cosine']:g}"
            self.progress(self.done, self.total, f"{key['part']}: {key['arm']}, seed {key['seed']}{target}")


def _ranks(ranks: RetrievalRanks) -> dict[str, float]:
    return {
        "recall_at_1": float(ranks.recall_at_k(1)),
        "recall_at_10": float(ranks.recall_at_k(min(10, ranks.gallery_size))),
        "median_rank": float(ranks.median_rank()),
        "geometric_rank": float(np.exp(np.log(ranks.best).mean())),
    }


def _table(
    world: PictureWorld,
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    encoders: Sequence[Mapping[str, float]],
    settings: Mapping[str, Any],
    judge: Judge | None,
) -> Table:
    n = len(world.test)
    suffixes = [""] if judge is None else ["", f"/{_name(judge)}"]
    columns = tuple(f"{name}{suffix}" for suffix in suffixes for name in (*_COLUMNS, "from_picture"))
    chance = {
        "recall_at_1": 1 / n,
        "recall_at_10": min(10, n) / n,
        "median_rank": (n + 1) / 2,
        "geometric_rank": float(np.exp(np.log(np.arange(1, n + 1)).mean())),
    }
    every = {f"{name}{suffix}": (value,) for name, value in chance.items() for suffix in suffixes}
    rows = [
        Row(condition={"arm": arm}, measured={name: tuple(one[name] for one in runs) for name in columns})
        for arm, runs in found.items()
    ]
    rows.append(Row(condition={"arm": "chance"}, measured=every))
    names = ("recall_at_1", "recall_at_10", "median_rank", "geometric_rank", "centroid_distance", "matched_cosine")
    own = {name: tuple(one[name] for one in encoders) for name in names}
    rows.append(Row(condition={"arm": "dual encoder"}, measured=own))
    return Table(
        name="picture_transfer",
        title=f"Pictures from texts by a generator of pictures: {n} held-out items, {len(encoders)} runs an arm",
        columns=(*columns, "centroid_distance", "matched_cosine"),
        rows=tuple(rows),
        sources=_SOURCES,
        orderings=tuple(_orderings(rows, suffixes)),
        settings=settings,
        notes=(
            "Ranks are of the intended item among the real pictures of the test items, by the cosine of what a network "
            "sees in the picture that was made; 'from picture' is R@10 when the condition is the picture's own "
            "embedding. The dual encoder's row is its own search from text to picture. A standard error is over "
            "initialisations; the items are the same.",
        ),
        headings={"from_picture": "R@10 from picture", "geometric_rank": "geometric mean rank"}
        | {
            f"{name}{suffix}": _heading(name, suffix) for suffix in suffixes[1:] for name in (*_COLUMNS, "from_picture")
        },
    )


def _heading(name: str, suffix: str) -> str:
    short = {"recall_at_1": "R@1", "recall_at_10": "R@10", "from_picture": "R@10 from picture"}
    return f"{short.get(name, name.replace('_', ' '))} ({suffix[1:].replace('_', ' ')})"


def _orderings(rows: Sequence[Row], suffixes: Sequence[str]) -> Iterator[Ordering]:
    at = {row.condition["arm"]: row for row in rows}
    for suffix in suffixes:
        seen = f", seen by {suffix[1:].replace('_', ' ')}" if suffix else ""
        recall, rank = f"recall_at_10{suffix}", f"geometric_rank{suffix}"
        runs = at["C3"].measured[recall]
        chance = at["chance"].middle(recall)
        yield lower(
            f"with C3 R@10 is at least twice chance in each run{seen}",
            "issue",
            {f"run {number}": (2 * chance, value) for number, value in enumerate(runs)},
        )
        for other, words in (("C2_2", "corruption alone"), ("C1", "neither step")):
            pairs = zip(at["C3"].measured[rank], at[other].measured[rank], strict=True)
            yield lower(
                f"the intended item ranks better with C3 than with {words}, in each run{seen}",
                "issue",
                {f"run {number}": pair for number, pair in enumerate(pairs)},
            )
        found = {arm: at[arm].middle(rank) for arm in ARMS}
        between = (found["C2_1"], found["C2_2"])
        yield ordering(
            f"the mean rank falls with each step: C3 < one step < C1{seen}",
            "C3",
            found["C3"] < min(between) and max(between) < found["C1"],
            found,
        )
        far = {arm: at[arm].middle(f"frechet_distance{suffix}") for arm in ARMS}
        yield ordering(
            f"C3 has the lowest Fréchet distance and C1 the highest{seen}",
            "C3",
            far["C3"] == min(far.values()) and far["C1"] == max(far.values()),
            far,
        )


def _lasting(settings: Mapping[str, Any], judge: Judge | None) -> dict[str, Any]:
    """All that a single run depends on; more runs or other candidates do not make it another one."""
    left_out = ("seeds", "target_cosines", "steps", "search_steps")
    return {k: v for k, v in settings.items() if k not in left_out} | {"judge": None if judge is None else _name(judge)}


def _name(judge: Judge) -> str:
    return getattr(judge, "__name__", type(judge).__name__)


def _checksum(world: PictureWorld) -> int:
    check = zlib.crc32(world.pictures.tobytes())
    for rows in (world.image, world.text):
        check = zlib.crc32(rows.numpy().tobytes(), check)
    return check


def _packed(pictures: np.ndarray) -> dict[str, Any]:
    text = base64.b64encode(zlib.compress(pictures.tobytes(), 9)).decode("ascii")
    return {"shape": list(pictures.shape), "zlib": text}


def _unpacked(packed: Mapping[str, Any]) -> np.ndarray:
    data = zlib.decompress(base64.b64decode(packed["zlib"]))
    return np.frombuffer(data, np.uint8).reshape(packed["shape"])


def _write_sheet(path: str, world: PictureWorld, first: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw the first test items (the parts are in random order) with what each arm made of their texts."""
    items = world.test[:_SHOWN]
    columns = {"real": world.pictures[items]} | {arm: _unpacked(one["pictures"]) for arm, one in first.items()}
    words = [world.names[item] for item in items]
    write_contact_sheet(path, np.stack(list(columns.values()), axis=1), columns=list(columns), rows=words, zoom=3)
