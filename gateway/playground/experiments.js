// The page of experiments: one at a time, looked at again every few seconds. It changes nothing.

import * as api from "./api.js";
import { signed, track, whisker } from "./chart.js";
import { byId, el } from "./dom.js";

const EVERY_MS = 3000;
const TONES = { running: "good", rolled_back: "bad", draft: "warn", stopped: "" };
const COLUMNS = ["variant", "changes", "share", "searches", "units", "failed", "clicks", "yes", "no", "p50", "p95"];
const SAID = { success: "success", clicks: "searches with a click", relevance: "relevance", latency: "slow searches", errors: "failed searches", zero_results: "searches without hits", partial: "partial answers" };

const wanted = () => decodeURIComponent(location.hash.slice(1));
const words = (name) => name.replaceAll("_", " ");

async function look() {
  try {
    const { experiments } = await api.experiments();
    const name = experiments.some((one) => one.name === wanted()) ? wanted() : experiments[0]?.name;
    list(experiments, name);
    byId("empty").hidden = experiments.length > 0;
    byId("experiment").hidden = !name;
    if (name) show(await api.experiment(name));
    byId("problem").hidden = true;
    fresh(true);
  } catch (problem) {
    byId("problem").textContent = problem instanceof api.Problem ? problem.message : "Something went wrong on this page.";
    byId("problem").hidden = false;
    fresh(false);
  }
}

function fresh(is) {
  byId("fresh").textContent = is ? "live" : "not live";
  byId("fresh").className = `health ${is ? "is-ready" : "is-down"}`;
}

function list(experiments, current) {
  const entries = experiments.map((one) =>
    el(
      "li",
      {},
      el(
        "a",
        { href: `#${encodeURIComponent(one.name)}`, aria: { current: String(one.name === current) } },
        one.name,
        el("span", { class: `badge ${TONES[one.state]}` }, words(one.state)),
      ),
    ),
  );
  // Replaced only when something changed, so that the keyboard's place is not lost every few seconds.
  const shown = JSON.stringify(experiments.map((one) => [one.name, one.state, one.name === current]));
  if (byId("experiments").dataset.shown === shown) return;
  byId("experiments").dataset.shown = shown;
  byId("experiments").replaceChildren(...entries);
}

function show(view) {
  byId("name").textContent = view.name;
  byId("state").textContent = words(view.state);
  byId("state").className = `badge ${TONES[view.state]}`;
  byId("facts").textContent = `${view.kind} by ${view.unit}, ${Math.round(view.traffic * 100)} % of ${view.audience === "all" ? "all" : view.audience} traffic, run ${view.run}`;
  byId("summary").textContent = view.complete ? view.summary : `${view.summary} (This gateway is still reading the log.)`;
  showTracks(view);
  showArms(view);
  byId("effects").replaceChildren(...view.effects.map((effect) => effectLine(effect, view.variants.length > 2)));
  byId("effects").parentElement.hidden = view.effects.length === 0;
  byId("history").replaceChildren(...view.history.toReversed().map(changeLine));
}

function showTracks(view) {
  const shadow = view.kind === "shadow";
  byId("track-title").textContent = shadow ? "Hits that the shadow finds too" : view.kind === "interleave" ? "Preferred ranking" : `Difference in ${SAID[view.metric]}`;
  byId("track-legend").textContent = `${Math.round((1 - view.alpha) * 100)} % confidence sequence`;
  const drawn = view.tracks.flatMap(({ variant, points }, index) => {
    if (points.length < 2) return [];
    const name = shadow ? variant : `${variant} less ${view.variants[0].name}`;
    return [el("p", { class: "track-name" }, name), track(points, { label: name, second: index % 2 === 1, floor: shadow ? 0 : -1 })];
  });
  const waiting = view.state === "draft" ? "It has not been started." : `No unit is settled yet; ${view.waiting} are waiting for the end of their ${duration(view.window_s)}.`;
  byId("tracks").replaceChildren(...(drawn.length ? drawn : [el("p", { class: "muted note" }, waiting)]));
}

const duration = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);

function showArms(view) {
  byId("arms-head").replaceChildren(el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name))));
  byId("arms").replaceChildren(
    ...view.variants.map((arm, index) => {
      const within = (ms) => (ms === null || ms === undefined ? "" : `≤ ${ms} ms`);
      const cells = [`${arm.name}${index ? "" : " (control)"}`, changes(arm), `${Math.round(arm.share * 100)} %`, arm.impressions, arm.units, arm.failed, arm.clicks, arm.yes, arm.no, within(arm.p50_ms), within(arm.p95_ms)];
      return el("tr", {}, ...cells.map((cell) => el("td", {}, String(cell))));
    }),
  );
  const { ratio } = view;
  byId("ratio").hidden = !ratio;
  if (!ratio) return;
  byId("ratio").className = `note ${ratio.holds ? "muted" : "is-wrong"}`;
  byId("ratio").textContent = `Units came as ${ratio.counts.join(" : ")}, ${ratio.holds ? "as their shares have it" : "which their shares cannot explain: some get lost in a variant, and no difference can be trusted"} (p ${ratio.p < 0.001 ? "< 0.001" : `= ${ratio.p.toFixed(2)}`}).`;
}

function changes(arm) {
  const value = (of) => (typeof of === "object" ? Object.values(of).join("/") : of);
  return Object.entries(arm.changes).map(([name, of]) => `${name} ${value(of)}`).join(", ") || "nothing";
}

function effectLine(effect, several) {
  const guarded = effect.margin === null || effect.margin === undefined ? "" : ` · guarded at ${effect.margin}`;
  return el(
    "li",
    {},
    el("span", { class: effect.is_metric ? "is-metric" : "" }, `${several ? `${effect.variant}: ` : ""}${SAID[effect.measure]}${guarded}`),
    whisker(effect),
    el("span", { class: "numbers" }, `${signed(effect.low)} to ${signed(effect.high)}`),
    el("span", { class: effect.verdict }, effect.verdict),
  );
}

function changeLine(change) {
  const when = new Date(change.at_ms);
  return el(
    "li",
    {},
    el("time", { dateTime: when.toISOString() }, when.toISOString().slice(0, 19).replace("T", " ")),
    `${words(change.action)} by ${change.by}${change.why ? `: ${change.why}` : ""}`,
  );
}

addEventListener("hashchange", look);
look();
setInterval(() => document.visibilityState === "visible" && look(), EVERY_MS);
