"""`trireme index generations`: another index beside the one that serves, and the change over to it."""

from __future__ import annotations

import typer

from cli import generations_build, generations_compare, generations_life, generations_list

app = typer.Typer(
    rich_markup_mode=None,
    help="Build another index beside the one that serves, compare, change over, go back.",
    epilog="Searches and uploads go on during all of it: docs/generations.md tells how.",
)

app.command("list")(generations_list.run)
app.command("build")(generations_build.build)
app.command("pause")(generations_build.pause)
app.command("resume")(generations_build.resume)
app.command("compare")(generations_compare.run)
app.command("switch")(generations_life.switch)
app.command("rollback")(generations_life.rollback)
app.command("retire")(generations_life.retire)
