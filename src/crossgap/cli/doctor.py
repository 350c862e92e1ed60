"""``crossgap doctor``: blunders in files of vectors."""

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Seed, Sources
from crossgap.cli.text import chosen_groups, indented, shell_words

__all__ = ["doctor"]


@door
def doctor(sources: Sources, groups: Groups = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Look for blunders: broken rows, shuffled pairs, a wrong tower."""
    from crossgap.data import read_groups
    from crossgap.doctor import examine, examine_environment, verdict_line
    from crossgap.results import to_json

    found = read_groups(*sources)
    chosen = (
        found.groups if groups is None else {name: found.groups[name] for name in chosen_groups(groups, found.groups)}
    )
    findings = [*examine(chosen, seed=seed), *examine_environment()]
    if as_json:
        document = {
            "schema": 1,
            "crossgap": __version__,
            "inputs": [facts for facts in found.inputs if facts["group"] in chosen],
            "notes": list(found.notes),
            "findings": [finding.as_json() for finding in findings],
        }
        typer.echo(to_json(document), nl=False)
        return
    typer.echo(verdict_line(findings))
    for finding in findings:
        where = f" ({', '.join(finding.groups)})" if finding.groups else ""
        typer.echo(
            f"\n{finding.severity}: {finding.name}{where}\n{indented(finding.evidence)}\n{indented(finding.mend)}"
        )
    for note in found.notes:
        typer.echo(f"\n{indented('not used: ' + note)}")
    if any(finding.severity == "error" for finding in findings):
        typer.echo(f"\nNext: mend the errors, then look again: crossgap doctor {shell_words(sources, groups)}")
    else:
        typer.echo(f"\nNext: crossgap measure {shell_words(sources, groups)} -o gap.json")
