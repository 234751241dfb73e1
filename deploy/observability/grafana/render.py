"""Writes dashboards/*.json: the boards of `boards/` as Grafana reads them, by Grafana's own types.

.venv/bin/python -m deploy.observability.grafana.render
"""

import itertools
import json
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
)

from deploy.observability.grafana.board import Board, Panel
from deploy.observability.grafana.boards import experiments, index, ingestion, models, overview

BOARDS = (overview.BOARD, ingestion.BOARD, index.BOARD, models.BOARD, experiments.BOARD)
TARGET = Path(__file__).parent / "dashboards"
# The reader chooses among the sources of this kind; the provisioned one is the default.
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_DEFAULT_SOURCE = VariableOption(text="Prometheus", value="prometheus", selected=True)
_HEIGHT = 8


def rendered() -> dict[str, str]:
    """Every file by its name."""
    return {f"{board.name}.json": _file(board) for board in BOARDS}


def _file(board: Board) -> str:
    built = (
        dashboard.Dashboard(board.title)
        .uid(f"trireme-{board.name}")
        .description(board.about)
        .tags(["trireme"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Trireme").type(DashboardLinkType.DASHBOARDS).tags(["trireme"]).keep_time(True)
        )
        .with_variable(
            dashboard.DatasourceVariable("source").label("Source").type("prometheus").current(_DEFAULT_SOURCE)
        )
    )
    ids = itertools.count(1)
    for section in board.sections:
        built = built.with_row(dashboard.Row(section.title).id(next(ids)))
        for panel in section.panels:
            built = built.with_panel(_panel(panel).id(next(ids)))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _panel(panel: Panel) -> timeseries.Panel | stat.Panel:
    if panel.shows == "number":
        made: timeseries.Panel | stat.Panel = stat.Panel().reduce_options(
            common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
        )
    else:
        made = (
            timeseries.Panel()
            .legend(
                common.VizLegendOptions()
                .display_mode(kinds.LegendDisplayMode.LIST)
                .placement(kinds.LegendPlacement.BOTTOM)
                .show_legend(True)
            )
            .tooltip(
                common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)
            )
            .min(0)
        )
        if panel.limit is not None:
            made = made.thresholds_style(
                common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
            )
    made = (
        made.title(panel.title)
        .description(_described(panel))
        .unit(panel.unit)
        .datasource(_SOURCE)
        .height(_HEIGHT)
        .span(panel.width)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(panel.limit)))
    )
    for n, query in enumerate(panel.queries):
        made = made.with_target(
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + n)).range()
        )
    return made


def _described(panel: Panel) -> str:
    waits = dict.fromkeys(query.waits_for for query in panel.queries if query.waits_for)
    return " ".join((panel.about, *(f"No data until {event}." for event in waits)))


def _steps(limit: float | None) -> list[Threshold]:
    over = [] if limit is None else [Threshold(value=limit, color="red")]
    return [Threshold(value=None, color="green"), *over]


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name, text in rendered().items():
        (TARGET / name).write_text(text)
