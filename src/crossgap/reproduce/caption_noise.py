"""How much noise the arms of captioning need: the score on items that validate, over the target cosine."""

import os
from collections.abc import Mapping, Sequence
from typing import Literal

from crossgap.reproduce.caption_runs import references_of, scores
from crossgap.reproduce.caption_study import CaptionStudy, within
from crossgap.reproduce.caption_worlds import TEXT
from crossgap.reproduce.table import Progress, Row, Table
from crossgap.transfer.preparation import Arm, Preparation

__all__ = ["TARGETS", "chosen", "profile"]

TARGETS: Mapping[Arm, Sequence[float]] = {"C2_2": (0.98, 0.95, 0.9, 0.8), "C3": (0.9, 0.8, 0.65, 0.5)}
_COLUMNS = ("cider_d", "cider_d/text", "variance")


def profile(
    *,
    data: Literal["flickr8k", "emoji", "tuxpaint"] = "flickr8k",
    features: str | os.PathLike[str] | None = None,
    seed: int = 0,
    dimension: int = 64,
    targets: Mapping[Arm, Sequence[float]] = TARGETS,
    group: str = "image",
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Table:
    """Train each arm with noise at several target cosines, and score it on items that are in no test split.

    How to read it: the highest CIDEr-D of an arm is what ``caption_study.SETS`` holds for it. Captions from the texts'
    own rows get worse as the noise grows; those of the other group have a best noise in between.

    Parameters
    ----------
    data, features, seed, dimension, output, progress
        As in ``caption_transfer.run``; one split, with the heads trained anew without the items that validate.
    targets
        Target cosines by arm.
    group
        The group that is captioned.

    Returns
    -------
    One row for each arm and target cosine.
    """
    study = CaptionStudy(data, features, seed=seed, dimension=dimension, runs=output)
    trials: list[tuple[Arm, float]] = [(arm, target) for arm, several in targets.items() for target in several]
    world, rows = study.world(0, validating=True), []
    for done, (arm, target) in enumerate(trials):
        found = study.result(
            0,
            "transformer",
            arm,
            target_cosine=target,
            validating=True,
            progress=within(progress, done, len(trials), f"{arm}, {target}"),
        )
        own, _ = scores(found["captions"][group], references_of(world, group), java=False)
        own["cider_d/text"] = scores(found["captions"][TEXT], references_of(world, TEXT), java=False)[0]["cider_d"]
        own["variance"] = Preparation.fit(world.train, arm=arm, target_cosine=target).corruption.variance_
        condition = {"arm": arm, "target_cosine": target}
        rows.append(Row(condition=condition, measured={name: (own[name],) for name in _COLUMNS}))
        if progress is not None:
            progress(done + 1, len(trials), f"{arm}, target cosine {target}")
    table = Table(
        name="caption_noise",
        title=f"Captions of {len(world.test[group])} {group}s of {data} that validate, over the noise: one split",
        columns=_COLUMNS,
        rows=tuple(rows),
        settings={
            **study.settings,
            "group": group,
            "targets": {arm: list(several) for arm, several in targets.items()},
        },
        headings={"cider_d": "CIDEr-D", "cider_d/text": "CIDEr-D from text"},
    )
    if output is not None:
        table.write(output)
    return table


def chosen(table: Table) -> dict[str, float]:
    """Return the target cosine with the highest CIDEr-D of each arm."""
    best: dict[str, Row] = {}
    for row in table.rows:
        arm = str(row.condition["arm"])
        if arm not in best or row.middle("cider_d") > best[arm].middle("cider_d"):
            best[arm] = row
    return {arm: float(row.condition["target_cosine"]) for arm, row in best.items()}
