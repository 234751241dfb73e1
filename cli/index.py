"""`trireme index`: looks after the index. Every command has a file of its own."""

from __future__ import annotations

import typer

from cli import index_expire, index_export, index_generations, index_import, index_rebuild, index_verify

app = typer.Typer(rich_markup_mode=None)

app.command("verify")(index_verify.run)
app.command("rebuild")(index_rebuild.run)
app.command("export")(index_export.run)
app.command("import")(index_import.run)
app.command("expire")(index_expire.run)
app.add_typer(index_generations.app, name="generations")
