"""``crossgap export``: a fitted closer in a form that others read."""

from pathlib import Path
from typing import Annotated

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Json
from crossgap.cli.output import check_folder, check_replaceable, output_path

__all__ = ["export"]

_FORMS = (".json", ".onnx", ".faiss")


@door
def export(
    closer: Annotated[str, typer.Argument(metavar="CLOSER", help="A .safetensors file or a folder of crossgap close.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="closer.json, closer.onnx or closer.faiss; the ending says the form.")
    ],
    group: Annotated[
        str | None, typer.Option(help="Whose rows a .onnx or .faiss moves; needed where the closer knows several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a linear closer as plain JSON, ONNX or FAISS transforms."""
    from crossgap.close.closer_file import read_closer
    from crossgap.close.faiss_transforms import write_faiss
    from crossgap.close.linear_steps import linear_steps, linear_steps_of
    from crossgap.close.onnx_model import write_onnx
    from crossgap.close.plain_json import write_plain_json
    from crossgap.close.pretrained import from_pretrained
    from crossgap.close.recipe import numpy_recipe
    from crossgap.results import to_json

    path = output_path(output)
    form = path.suffix.lower()
    if form not in _FORMS:
        raise ValueError(f"the output must end in {', '.join(_FORMS[:-1])} or {_FORMS[-1]}, but it is {output!r}.")
    check_folder(path)
    if form == ".json":
        check_replaceable(path)
    if form == ".json" and group is not None:
        raise ValueError("--group must go with .onnx or .faiss, since plain JSON holds all groups; leave it out.")
    fitted = from_pretrained(closer) if Path(closer).is_dir() else read_closer(closer)
    if form == ".json":
        groups = list(linear_steps(fitted))
        write_plain_json(fitted, path)
    else:
        groups = [linear_steps_of(fitted, group)[0]]
        write = write_onnx if form == ".onnx" else write_faiss
        write(fitted, path, group=groups[0])
    if as_json:
        document = {
            "schema": 1,
            "crossgap": __version__,
            "closer": closer,
            "method": type(fitted).__name__,
            "groups": groups,
            "written": str(path),
            "bytes": path.stat().st_size,
        }
        typer.echo(to_json(document), nl=False)
        return
    typer.echo(
        f"Written: {path} ({path.stat().st_size:,} bytes): {type(fitted).__name__} for rows of {', '.join(groups)}"
    )
    if form == ".json":
        typer.echo(f"\nNext: apply it without crossgap:\n\n{numpy_recipe(fitted, path)}", nl=False)
    elif form == ".onnx":
        typer.echo(f"Next: onnxruntime.InferenceSession({str(path)!r}).run(None, {{'rows': rows}})[0]")
    else:
        typer.echo(f"Next: faiss.read_index({str(path)!r}), which takes raw rows of {groups[0]}")
