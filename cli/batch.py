"""`trireme batch`: large sources into the index, past the workers."""

from __future__ import annotations

import typer

from cli.batch_spark import run as spark

app = typer.Typer()
app.command("spark", help="Read, embed and index a folder or bucket with a Spark job.")(spark)


@app.callback()
def _group() -> None:
    """Large sources into the index."""
