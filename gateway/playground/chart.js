// Intervals as pictures: a band over the number of units, and a whisker between -1 and 1. Knows nothing of the API.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 800;
const HEIGHT = 240;
const LEFT = 64;
const BOTTOM = 26;
const TOP = 10;

function shape(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(3)}`;

/** Points [ms, units, estimate, low, high] as a band with a line in it. `floor` is the least value there can be. */
export function track(points, { label, second = false, floor = -1 }) {
  // The first intervals are as wide as can be and would flatten the rest.
  const shown = points.slice(Math.floor(points.length / 12));
  const high = Math.min(1, Math.max(0.02, ...shown.map((point) => point[4])));
  const low = Math.max(floor, Math.min(floor < 0 ? -0.02 : 0, ...shown.map((point) => point[3])));
  const first = points[0][1];
  const last = points.at(-1)[1];
  const x = (units) => LEFT + ((units - first) / Math.max(1, last - first)) * (WIDTH - LEFT - 10);
  const y = (value) => TOP + ((high - Math.max(low, Math.min(high, value))) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = (index, of = points) => of.map((point) => `${x(point[1]).toFixed(1)},${y(point[index]).toFixed(1)}`);
  const [, units, estimate, from, to] = points.at(-1);
  const svg = shape("svg", { class: `track ${second ? "second" : ""}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.append(
    shape("title", {}, `${label}: ${signed(estimate)}, between ${signed(from)} and ${signed(to)}, after ${units} units`),
    shape("line", { class: "axis", x1: LEFT, x2: LEFT, y1: TOP, y2: HEIGHT - BOTTOM }),
    shape("line", { class: "axis", x1: LEFT, x2: WIDTH - 10, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    shape("polygon", { class: "band", points: [...path(4), ...path(3, [...points].reverse())].join(" ") }),
    shape("polyline", { class: "estimate", points: path(2).join(" ") }),
  );
  if (low <= 0 && high >= 0) svg.append(shape("line", { class: "zero", x1: LEFT, x2: WIDTH - 10, y1: y(0), y2: y(0) }));
  const mark = (value) => shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value === 0 ? "0" : signed(value).slice(0, 5));
  svg.append(mark(high), mark(low));
  if (low < -0.05 && high > 0.05) svg.append(mark(0));
  svg.append(
    shape("text", { x: LEFT, y: HEIGHT - 6 }, `${first}`),
    shape("text", { x: WIDTH - 10, y: HEIGHT - 6, "text-anchor": "end" }, `${last} units`),
  );
  return svg;
}

/** One interval between -1 and 1. */
export function whisker({ estimate, low, high, verdict }) {
  const x = (value) => 2 + ((Math.max(-1, Math.min(1, value)) + 1) / 2) * 196;
  return shape(
    "svg",
    { class: `whisker ${verdict}`, viewBox: "0 0 200 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("line", { class: "axis", x1: 2, x2: 198, y1: 8, y2: 8 }),
    shape("line", { class: "range", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
    shape("line", { class: "zero", x1: 100, x2: 100, y1: 1, y2: 15 }),
    shape("rect", { class: "at", x: x(estimate) - 1, width: 2, y: 3, height: 10 }),
  );
}
