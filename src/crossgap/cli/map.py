"""``crossgap map``: where the rows of a source lie, as a file that Embedding Atlas opens."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Seed, Sources
from crossgap.cli.output import check_folder, named_errors, output_path
from crossgap.cli.progress import count_bar, few_threads
from crossgap.cli.text import chosen_groups

if TYPE_CHECKING:
    from crossgap.maps.drawn_map import DrawnMap

__all__ = ["map"]

_SLOW = {
    "umap": "UMAP compiles itself first, which takes some ten seconds, then a second per 1,000 rows.",
    "sphere": "UMAP compiles itself first, which takes some twenty seconds, then some seven seconds per 1,000 rows.",
}


@door
def map(
    sources: Sources,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="<path>", help="Write the map here.")
    ] = "map.parquet",
    kind: Annotated[
        str, typer.Option(help="linear (the gap across), umap (a plane) or sphere (UMAP on one).")
    ] = "linear",
    most_rows: Annotated[int, typer.Option("--rows", min=1, help="Most rows of a group to show, whole items.")] = 5_000,
    groups: Groups = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Rows of different groups show different items, whatever their number.")
    ] = False,
    neighbours: Annotated[
        int | None, typer.Option(help="Nearest rows that UMAP ties a row to, itself included (default 15).")
    ] = None,
    min_distance: Annotated[
        float | None, typer.Option(help="How close UMAP lets rows lie, 0 to 1 (default 0.1).")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw a map of all groups: a Parquet file for Embedding Atlas."""
    from crossgap.data import Embeddings, read_groups
    from crossgap.maps.drawn_map import KINDS, draw_map
    from crossgap.maps.map_file import atlas_words, map_record, map_table
    from crossgap.maps.umap_map import check_umap
    from crossgap.results import to_json

    path = output_path(output)
    _check_output(path)
    if kind not in KINDS:
        raise ValueError(f"--kind must be one of {', '.join(KINDS)}, but it is {kind!r}.")
    if kind == "linear" and (neighbours is not None or min_distance is not None):
        raise ValueError("--neighbours and --min-distance must go with --kind umap or sphere; leave them out.")
    if kind != "linear":
        check_umap()
    found = read_groups(*sources)
    names = chosen_groups(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    notes = [f"not used: {note}" for note in found.notes]
    if unpaired:
        embeddings = embeddings.without_pairs()
        notes.append("rows of different groups were taken to show different items (--unpaired).")
    with count_bar() as bar, few_threads(max(len(group) for group in embeddings.values())):
        if kind != "linear" and bar.is_shown:
            bar.say(_SLOW[kind])
        drawn = draw_map(
            embeddings,
            kind=kind,
            most_rows=most_rows,
            neighbours=neighbours,
            min_distance=min_distance,
            seed=seed,
            show=bar.show,
        )
    document = {"schema": 1, "crossgap": __version__, "inputs": list(sources), **map_record(drawn)}
    document["notes"] = [*notes, *document["notes"]]
    document["neighbour_purity"] = _purity(drawn)
    _write(map_table(drawn, **document), path)
    words = shlex.join(atlas_words(drawn, path))
    if as_json:
        typer.echo(to_json({**document, "written": str(path), "next": words}), nl=False)
        return
    _show(drawn, document["neighbour_purity"])
    for note in document["notes"]:
        typer.echo(f"Note: {note}")
    typer.echo(f"Written: {path}")
    typer.echo(f"Next: {words}")


def _check_output(path: Path) -> None:
    """Fail before the work where the map could not be written, or would take the place of anything but an older map."""
    from crossgap.maps.map_file import is_map_file

    check_folder(path)
    if path.suffix.lower() != ".parquet":
        raise ValueError(
            f"the map must end in .parquet, but it is {str(path)!r}; give for example "
            f"{str(path.with_suffix('.parquet'))!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    if path.is_file() and path.stat().st_size and not is_map_file(path):
        raise ValueError(f"the output {str(path)!r} exists and is no map of an earlier run; give another name.")


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    from crossgap.data.atomic import atomic_path

    with atomic_path(path) as temporary, named_errors(path):
        pq.write_table(table, temporary, compression="zstd")


def _purity(drawn: "DrawnMap") -> dict[str, float] | None:
    """Return how many of the nearest rows are of a row's own group, in the space and on the map; None unless of two."""
    from crossgap.topology import neighbour_purity, neighbour_purity_by_chance

    if len(drawn.embeddings) != 2:
        return None
    k = drawn.settings["k"]
    return {
        "space": neighbour_purity(*(group.vectors for group in drawn.embeddings.values()), k=k),
        "map": neighbour_purity(*drawn.coordinates.values(), k=k, unit=False),
        "by_chance": neighbour_purity_by_chance(*(len(group) for group in drawn.embeddings.values())),
    }


def _show(drawn: "DrawnMap", purity: dict[str, float] | None) -> None:
    used = drawn.settings["rows_used"]
    sizes = ", ".join(f"{name} {rows:,}" for name, rows in used.items())
    kinds = {"linear": "A linear map", "umap": "A UMAP map", "sphere": "A UMAP map on the sphere"}
    typer.echo(f"{kinds[drawn.kind]} of {sum(used.values()):,} rows: {sizes}")
    if drawn.kind == "linear":
        for word, axis, share in zip(("across", "up"), drawn.settings["axes"], drawn.settings["shares"], strict=True):
            typer.echo(f"  {word:6}  {axis}: {share:.1%} of all variation")
        if drawn.settings["axes"][0] == "gap":
            (first, _), (second, _) = drawn.settings["centroids"].values()
            typer.echo(f"  centroid distance {abs(first - second):.3f}, at its true size across")
    else:
        typer.echo("  the distance between clouds means nothing; --kind linear shows the gap")
    typer.echo(
        f"  keeps {drawn.neighbours_kept:.1%} of the {drawn.settings['k']} nearest rows "
        f"({drawn.neighbours_kept_by_chance:.1%} by chance)"
    )
    if purity is not None:
        typer.echo(
            f"  of these nearest rows {purity['space']:.1%} are of a row's own group in the space, {purity['map']:.1%} "
            f"on the map ({purity['by_chance']:.1%} by chance)"
        )
