"""`trireme experiment start|status|list|stop`: experiments on retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli.console import JsonOption, UrlOption, out, print_json
from cli.experiment_table import arms_table, effects_table, headline, history_lines, list_table
from cli.experiment_words import guardrail, variant
from cli.files import read_file
from cli.target import HomeOption, open_client
from contracts.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(help="Name of the experiment.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why; kept in the audit log.")]
VARIANT_HELP = (
    "NAME[@WEIGHT][:CHANGE=VALUE,...]; the first one is the control. Changes: encoder=full|distilled, "
    "generation=NAME, reranker=score|spread, weights=1/1/1/0.3. Repeatable."
)


@app.command()
def start(
    name: NameArgument,
    variants: Annotated[list[str] | None, typer.Option("--variant", help=VARIANT_HELP)] = None,
    kind: Annotated[str, typer.Option("--kind", help="split, interleave or shadow.")] = "split",
    unit: Annotated[str, typer.Option("--unit", help="user, session or request.")] = "user",
    metric: Annotated[str, typer.Option("--metric", help="clicks, relevance or success.")] = "success",
    guards: Annotated[
        list[str] | None,
        typer.Option("--guard", help="MEASURE[=MARGIN], such as errors=0.01 or latency; repeatable."),
    ] = None,
    traffic: Annotated[float, typer.Option("--traffic", help="Share of units that take part.")] = 1.0,
    audience: Annotated[str, typer.Option("--audience", help="ordinary, high-value or all.")] = "ordinary",
    window_s: Annotated[float, typer.Option("--window-s", help="When a unit's outcome is settled.")] = 1800.0,
    file: Annotated[Path | None, typer.Option("--file", help="The definition as JSON instead.")] = None,
    why: WhyOption = "",
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start an experiment: one that is described here, or one that was defined before."""
    if variants and file:
        raise InvalidInput("Describe the variants with --variant, or everything in a --file; not both.")
    definition: dict[str, Any] | None = None
    if file:
        definition = _definition(file)
    elif variants:
        definition = {
            "variants": [variant(text) for text in variants],
            "kind": kind,
            "unit": unit,
            "metric": metric,
            "guardrails": [guardrail(text) for text in guards or ()],
            "traffic": traffic,
            "audience": audience,
            "window_s": window_s,
        }
    with open_client(url, home) as client:
        if definition is not None:
            client.experiments.put(name, definition | {"why": why})
        view = client.experiments.start(name, why=why)
    if as_json:
        print_json(view)
        return
    out.print(headline(view))
    out.print(arms_table(view))


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Name of the experiment; all of them without it.")] = None,
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an experiment's numbers, intervals and history; or all experiments."""
    if name is None:
        list_all(url=url, home=home, as_json=as_json)
        return
    with open_client(url, home) as client:
        view = client.experiments.show(name)
    if as_json:
        print_json(view)
        return
    out.print(headline(view))
    out.print(arms_table(view))
    if view.effects:
        out.print(effects_table(view))
    for line in history_lines(view):
        out.print(line)


@app.command("list")
def list_all(url: UrlOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List experiments, running ones first."""
    with open_client(url, home) as client:
        listed = client.experiments.list()
    if as_json:
        print_json(listed)
        return
    out.print(list_table(listed) if listed.experiments else "No experiments.")


@app.command()
def stop(
    name: NameArgument,
    why: WhyOption = "",
    url: UrlOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop an experiment; everybody is answered as before, and its numbers stay."""
    with open_client(url, home) as client:
        view = client.experiments.stop(name, why=why)
    if as_json:
        print_json(view)
        return
    out.print(headline(view))


def _definition(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(read_file(file), type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise InvalidInput(f"{file} does not hold a JSON object.") from exc
