"""``crossgap caption``: fit a captioner on embedded texts alone, and caption embeddings of other modalities."""

from pathlib import Path
from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Seed, Sources
from crossgap.cli.output import output_path

__all__ = ["caption", "fit", "predict"]

caption = typer.Typer(
    help="Caption images, sounds or clips with a decoder that learned from texts alone.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@caption.command()
@door
def fit(
    sources: Sources,
    output: Annotated[str, typer.Option("-o", "--output", metavar="<path>", help="Folder of the captioner.")],
    text: Annotated[
        str | None,
        typer.Option(metavar="<path>", help="Texts where the source has none: .txt, one line a row, or .jsonl."),
    ] = None,
    learn_on: Annotated[str, typer.Option(help="The group to learn on; its rows need texts.")] = "text",
    groups: Groups = None,
    arm: Annotated[
        str, typer.Option(metavar="C1|C2_1|C2_2|C3", help="Neither step, collapse, corrupt, or both.")
    ] = "C3",
    decoder: Annotated[
        str, typer.Option(metavar="transformer|nearest|clipcap", help="What writes the captions.")
    ] = "transformer",
    language_model: Annotated[
        str | None, typer.Option(metavar="<path>", help="Folder of a causal language model, for clipcap.")
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help="Train low-rank changes of it alone, not the whole.")] = False,
    target_cosine: Annotated[
        float | None, typer.Option(help="How large the noise is: the cosine of a row and its noised copy.")
    ] = None,
    variance: Annotated[
        float | None, typer.Option(help="Or its variance a coordinate; 0.016 if neither is given.")
    ] = None,
    noise: Annotated[
        str, typer.Option(metavar="gaussian|ball|covariance|mises-fisher|mixing", help="Kind of noise.")
    ] = "gaussian",
    noise_subspace: Annotated[
        str, typer.Option(metavar="full|span|gap-only|gap-orthogonal", help="Where it points.")
    ] = "full",
    epochs: Annotated[int | None, typer.Option(min=1, help="Times that each caption is seen; 10 by default.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="<key=value>", help="Another setting, such as width=256. May be repeated."),
    ] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a captioner on embedded texts and the texts themselves."""
    import shlex
    import sys

    from crossgap.cli.caption_fit import CaptionFit
    from crossgap.cli.caption_result import fit_document, result_lines
    from crossgap.cli.caption_settings import FitRequest
    from crossgap.cli.captioner_folder import CaptionerFolder

    request = FitRequest(
        sources=sources,
        text=text,
        learn_on=learn_on,
        groups=None if groups is None else [name.strip() for name in groups.split(",")],
        arm=arm,
        decoder=decoder,
        language_model=language_model,
        lora=lora,
        target_cosine=target_cosine,
        variance=variance,
        noise=noise,
        noise_subspace=noise_subspace,
        epochs=epochs,
        changes=changes or [],
        seed=seed,
    )
    folder = CaptionerFolder(output_path(output))
    folder.check(resume=resume)
    say = (lambda line: None) if as_json else typer.echo
    following = f"crossgap caption predict {shlex.quote(str(folder.path))} SOURCE -o captions.jsonl"
    if folder.is_finished and not folder.is_begun:
        from crossgap.transfer.captioner_file import read_captioner_record

        record = read_captioner_record(folder.path)
        if as_json:
            typer.echo(fit_document(folder.path, record["facts"], record, [], []), nl=False)
            return
        say(f"{folder.path} is finished already.")
        say(f"Next: {following}")
        return
    work = CaptionFit(request, folder)
    work.restore()
    for line in work.head():
        say(line)
    try:
        work.take_steps(say)
    except KeyboardInterrupt:
        again = shlex.join(["crossgap", *sys.argv[1:], *["--resume"] * (not resume)])
        typer.echo(
            f"interrupted; {folder.checkpoint} holds step {work.saved_step}, and this goes on: {again}", err=True
        )
        raise typer.Exit(130) from None
    record = work.finish()
    if as_json:
        typer.echo(fit_document(folder.path, record["facts"], record, work.alarms, work.notes), nl=False)
        return
    for line in result_lines(record["facts"]):
        say(line)
    say(f"\nWritten: {folder.path} ({', '.join(['captioner.json', *record['files']])})")
    say(f"Next: {following}")


@caption.command()
@door
def predict(
    captioner: Annotated[str, typer.Argument(metavar="CAPTIONER", help="Folder of a fitted captioner.")],
    sources: Sources,
    output: Annotated[str, typer.Option("-o", "--output", metavar="<path>", help="Captions, one JSON object a line.")],
    groups: Groups = None,
    method: Annotated[str, typer.Option(metavar="greedy|beam|nucleus", help="How captions are chosen.")] = "greedy",
    beams: Annotated[int, typer.Option(min=1, help="Captions kept in mind, for beam.")] = 5,
    top_p: Annotated[float, typer.Option(help="Share of the probability drawn from, for nucleus.")] = 0.9,
    temperature: Annotated[float, typer.Option(help="Above 1 bolder, below 1 tamer, for nucleus.")] = 1.0,
    length_penalty: Annotated[float, typer.Option(help="Above 0; larger favours long captions, for beam.")] = 1.0,
    most_tokens: Annotated[int, typer.Option(min=1, help="A caption is cut there.")] = 40,
    seed: Seed = 0,
    means_from: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="Rows to take the mean of a group from that the captioner has none of."),
    ] = None,
    own_means: Annotated[
        bool, typer.Option("--own-means", help="Take the mean of the given rows for such a group.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Rows captioned at a time.")] = 256,
    references: Annotated[
        str | None,
        typer.Option(metavar="<path>", help="Write the texts of the items, where the source has them, to score by."),
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="<path>", help="Write a page of pictures and captions.")] = None,
    images: Annotated[str | None, typer.Option(metavar="<path>", help="Folder of the pictures, for the page.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Caption rows of any group with a fitted captioner."""
    import shlex
    import sys

    from crossgap.cli.caption_journal import check_references
    from crossgap.cli.caption_predict import CaptionPredict, PredictRequest
    from crossgap.cli.output import check_folder, check_page

    path = output_path(output)
    check_folder(path)
    texts = None if references is None else output_path(references)
    if texts is not None:
        check_folder(texts)
        check_references(texts)
    page = None if html is None else output_path(html)
    if page is not None:
        check_folder(page)
        check_page(page)
    if images is not None and page is None:
        raise ValueError("--images goes with --html, which draws the page; add --html captions.html.")
    if images is not None and not Path(images).expanduser().is_dir():
        raise ValueError(f"--images must be a folder of pictures, but {images!r} is none; check the path.")
    request = PredictRequest(
        captioner=captioner,
        sources=sources,
        groups=groups,
        decoding={
            "method": method,
            "beams": beams,
            "top_p": top_p,
            "temperature": temperature,
            "length_penalty": length_penalty,
            "most_tokens": most_tokens,
            "seed": seed,
        },
        means_from=means_from or [],
        own_means=own_means,
        batch=batch,
    )
    work = CaptionPredict(request, path, resume=resume)
    if texts is not None:
        work.check_texts(texts)
    say = (lambda line: None) if as_json else typer.echo
    for line in work.head():
        say(line)
    try:
        work.write()
    except KeyboardInterrupt:
        again = shlex.join(["crossgap", *sys.argv[1:], *["--resume"] * (not resume)])
        typer.echo(
            f"interrupted; {work.journal.part} holds {work.journal.done:,} captions, and this goes on: {again}",
            err=True,
        )
        raise typer.Exit(130) from None
    if texts is not None:
        work.write_references(texts)
    if page is not None:
        work.write_page(page, images)
    if as_json:
        typer.echo(work.document(texts, page), nl=False)
        return
    for line in work.tail(texts, page):
        say(line)
