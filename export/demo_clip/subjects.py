"""What the demo CLIP knows: every subject with its names and the function that draws it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from export.demo_clip import charts, diagrams, scenes
from export.demo_clip.glyphs import Glyph, read_glyphs
from export.demo_clip.poses import place_glyphs

Draw = Callable[[random.Random, int], Image.Image]

TEMPLATES = (
    "{}",
    "{}",
    "a picture of {}",
    "a photo of {}",
    "picture of {}",
    "photo of {}",
    "an image of {}",
    "a drawing of {}",
    "{} seen from nearby",
    "show me {}",
    "this picture shows {}",
    "Figure 1: {}",
)
FIGURE_TEMPLATES = (
    "{}",
    "a {}",
    "a picture of a {}",
    "figure: {}",
    "diagram showing a {}",
    "{} from a report",
    "{} drawn for a document",
    "a drawing of a {}",
)
TOPICS = (
    "monthly yield",
    "temperature over the year",
    "visitors",
    "water level",
    "costs by department",
    "what animals eat",
    "sales figures",
    "rainfall",
    "a building",
    "survey answers",
    "the project",
)

FIGURES: tuple[tuple[Draw, tuple[str, ...]], ...] = (
    (charts.bar_chart, ("bar chart", "bar graph", "column chart")),
    (charts.horizontal_bar_chart, ("horizontal bar chart", "chart with horizontal bars")),
    (charts.stacked_bar_chart, ("stacked bar chart", "stacked column chart")),
    (charts.line_chart, ("line chart", "line graph", "curve plotted over time")),
    (charts.area_chart, ("area chart", "filled line chart")),
    (charts.pie_chart, ("pie chart", "pie diagram with shares")),
    (charts.donut_chart, ("donut chart", "ring chart")),
    (charts.scatter_plot, ("scatter plot", "scatter diagram", "plot of points")),
    (charts.histogram, ("histogram", "frequency distribution chart")),
    (charts.bell_curve, ("bell curve", "normal distribution curve")),
    (charts.wave_plot, ("sine wave plot", "oscillation signal curve")),
    (charts.heat_map, ("heat map grid", "heat map matrix")),
    (charts.gauge, ("gauge", "dial instrument with a needle", "pressure gauge")),
    (charts.gantt_chart, ("Gantt chart", "project schedule chart")),
    (diagrams.flow_chart, ("flow chart", "flow diagram", "decision flowchart of steps")),
    (diagrams.network_diagram, ("network diagram", "graph of connected nodes")),
    (diagrams.tree_diagram, ("tree diagram", "organisation chart")),
    (diagrams.floor_plan, ("floor plan", "plan of the rooms", "building floor plan with escape route")),
    (diagrams.route_map, ("map with a route", "route map", "map showing the way")),
    (diagrams.circuit, ("electrical circuit diagram", "circuit diagram", "wiring schematic")),
    (diagrams.table, ("table of numbers", "table with rows and columns")),
    (diagrams.timeline, ("timeline", "timeline of events")),
    (diagrams.venn_diagram, ("Venn diagram", "diagram of overlapping circles")),
    (diagrams.text_page, ("page of text", "scanned page of a document", "scanned letter")),
)
SCENES: tuple[tuple[Draw, tuple[str, ...]], ...] = (
    (scenes.house_by_the_sea, ("a house by the sea", "a cottage on the coast", "a house on the shore")),
    (
        scenes.mountains_with_sun,
        ("mountains with the sun", "snowy mountain peaks in sunshine", "an alpine landscape"),
    ),
    (
        scenes.city_at_night,
        ("a city at night", "a city skyline at night with lit windows", "skyscrapers in the dark"),
    ),
    (scenes.lighthouse, ("a lighthouse", "a lighthouse on a rock by the sea", "a striped lighthouse tower")),
    (scenes.forest, ("a forest", "many trees in the woods")),
    (scenes.desert, ("a desert with sand dunes", "sand dunes under the sun")),
    (scenes.sailing_boat, ("a sailing boat on the sea", "a sailboat at sunset")),
    (scenes.starry_night, ("a starry night sky with the moon", "stars and the moon")),
    (scenes.rainy_day, ("rain falling from dark clouds", "a rainy day")),
    (scenes.winding_road, ("a winding road through hills", "a country road")),
    (scenes.village_in_snow, ("a village in the snow", "houses in winter")),
    (scenes.river_valley, ("a river in a valley", "a river through green meadows")),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that can be drawn. `names` begins with its proper name; `captions` are the ways people say it."""

    names: tuple[str, ...]
    captions: tuple[str, ...]
    draw: Draw
    weight: float


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _glyph_subject(glyph: Glyph) -> Subject:
    def draw(rng: random.Random, side: int) -> Image.Image:
        return place_glyphs(rng, side, [glyph])

    captions = [template.format(_article(glyph.name)) for template in TEMPLATES[2:]]
    captions += [glyph.name, glyph.name, _article(glyph.name)]
    captions += [f"{glyph.name}, {word}" for word in glyph.keywords[:4]]
    return Subject((glyph.name, *glyph.keywords), tuple(captions), draw, 1.0)


def _drawn_subject(draw: Draw, names: tuple[str, ...], figure: bool) -> Subject:
    templates = FIGURE_TEMPLATES if figure else TEMPLATES
    captions = [template.format(name) for name in names for template in templates]
    if figure:
        captions += [f"{name} of {topic}" for name in names[:1] for topic in TOPICS]
    return Subject(names, tuple(captions), draw, 6.0)


def _pair_subject(first: Glyph, second: Glyph) -> Subject:
    def draw(rng: random.Random, side: int) -> Image.Image:
        return place_glyphs(rng, side, [first, second])

    a, b = _article(first.name), _article(second.name)
    captions = (f"{a} and {b}", f"a picture of {b} and {a}", f"{a} beside {b}")
    return Subject((f"{first.name} and {second.name}",), captions, draw, 0.12)


def single_subjects() -> list[Subject]:
    """Every subject that stands alone: glyphs, figures and scenes, in a fixed order."""
    glyphs = [_glyph_subject(glyph) for glyph in read_glyphs()]
    figures = [_drawn_subject(draw, names, figure=True) for draw, names in FIGURES]
    return glyphs + figures + [_drawn_subject(draw, names, figure=False) for draw, names in SCENES]


def pair_subjects(seed: int, n: int) -> list[Subject]:
    """`n` random pairs of glyphs that share one picture."""
    rng = random.Random(f"pairs:{seed}")
    glyphs = read_glyphs()
    return [_pair_subject(*rng.sample(glyphs, 2)) for _ in range(n)]


def find_subject(subjects: Sequence[Subject], name: str) -> Subject:
    """The subject of that proper name. Raises KeyError if there is none."""
    for subject in subjects:
        if subject.names[0] == name:
            return subject
    raise KeyError(name)
