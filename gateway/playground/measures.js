// What an answer says about itself: where it came from, how complete it is, where its time went.

import { announce, byId, el, milliseconds } from "./dom.js";

// In the order in which a query passes them. What no stage accounts for is shown as the rest.
const STAGES = [
  ["decode", "picture"],
  ["cache", "cache"],
  ["encode", "encode"],
  ["kafka", "Kafka"],
  ["queue", "queue"],
  ["faiss", "Faiss"],
  ["merge", "merge"],
  ["generate", "write"],
];
const LEAST_MS = 0.05;

const badge = (text, tone = "", title = "") => el("span", { class: `badge ${tone}`, title }, text);

function servedBadge({ served_by: servedBy, cache_age_s: age }) {
  const old = age === null || age === undefined ? "" : `, ${age < 90 ? `${Math.round(age)} s` : `${Math.round(age / 60)} min`} old`;
  if (servedBy === "cache") return badge(`from the cache${old}`, "good");
  if (servedBy === "stale_cache") return badge(`from the cache, no longer fresh${old}`, "warn");
  return badge("from the index", "good");
}

function traceBadge(traceId) {
  const button = el("button", { class: "badge trace", type: "button", title: `Copy trace id ${traceId}` }, `trace ${traceId.slice(0, 8)}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(traceId);
    announce("Trace id copied");
    button.textContent = "copied";
    setTimeout(() => (button.textContent = `trace ${traceId.slice(0, 8)}`), 1200);
  });
  return button;
}

/** Badges of a search's answer (or of the `documents` event of an answer). */
export function showBadges(found) {
  const { answered, of } = found.coverage;
  byId("badges").replaceChildren(
    servedBadge(found),
    badge(`${answered} of ${of} shards`, answered < of ? "warn" : "good"),
    // That shards are missing is told by their number.
    ...found.degraded.filter((part) => part !== "shards").map((part) => badge(`without ${part.replaceAll("_", " ")}`, "warn")),
    badge(found.variant, "", "Model variant"),
    ...(found.experiments ?? []).map((part) => badge(`${part.experiment}: ${part.variant}`, "", "Experiment and variant")),
    traceBadge(found.trace_id),
  );
  byId("measures").hidden = false;
}

/** A bar with one piece a stage, and its legend. */
export function showTimings(timings) {
  // Reading the picture comes before the search's own clock starts.
  const total = (timings.total ?? 0) + (timings.decode ?? 0);
  const stages = STAGES.map(([key, label]) => ({ key, label, ms: timings[key] ?? 0 })).filter(({ ms }) => ms >= LEAST_MS);
  const rest = total - stages.reduce((sum, { ms }) => sum + ms, 0);
  if (rest >= LEAST_MS) stages.push({ key: "rest", label: "rest", ms: rest });
  const sum = stages.reduce((all, { ms }) => all + ms, 0) || 1;
  const bar = el("div", { class: "bar", aria: { hidden: "true" } });
  for (const { key, label, ms } of stages) {
    const piece = el("span", { class: `stage ${key}`, title: `${label}: ${milliseconds(ms)} ms` });
    piece.style.flexGrow = String(ms / sum);
    bar.append(piece);
  }
  const entries = stages.map(({ key, label, ms }) =>
    el("li", {}, el("i", { class: `swatch stage ${key}` }), `${label} `, el("b", {}, milliseconds(ms))),
  );
  byId("timings").replaceChildren(
    bar,
    el("ul", { class: "stages" }, ...entries, el("li", { class: "total" }, el("b", {}, milliseconds(total)), " ms in all")),
  );
}

export function hideMeasures() {
  byId("measures").hidden = true;
}
