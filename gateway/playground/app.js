// The page: takes a question, shows what comes back. Knows nothing of how hits, answers or documents look.

import * as api from "./api.js";
import { addToAnswer, clearAnswer, finishAnswer, startAnswer } from "./answer.js";
import { collections, sources, startDocuments } from "./documents.js";
import { announce, byId, el } from "./dom.js";
import { clearFilters, filter, filterParameters, isFiltered, offerCollections, readParameters, startFilters } from "./filters.js";
import { hideMeasures, showBadges, showTimings } from "./measures.js";
import { clearPicture, hasPicture, pictureBase64, startPicture } from "./picture.js";
import { clearHits, showHits } from "./results.js";
import { startSheet } from "./sheet.js";

const HITS = 10;
const HEALTH_EVERY_MS = 10_000;
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 3;
// Questions that the samples can answer; each is offered where its document is there.
const EXAMPLES = [
  ["cheese-cellar.md", "How much does a wheel of mountain cheese weigh?"],
  ["home-network-faq.docx", "May I bring my own router?"],
  ["lighthouse-keepers.pdf", "a lighthouse on a rock"],
  ["compost.md", "How do I know that compost is ripe?"],
  ["chess-club.pdf", "What happens when I arrive late to a game?"],
];

let running = null; // AbortController of the question under way
let weightsTouched = false;

const standard = (name) => [...document.getElementsByName(name)].find((input) => input.defaultChecked).value;
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

async function body(words) {
  const image = await pictureBase64();
  const kind = chosen("kind");
  const wanted = { ...filter(), ...(kind && { kinds: [kind] }) };
  return {
    k: HITS,
    ...(words && { query: words }),
    ...(image && { image }),
    ...(Object.keys(wanted).length && { filter: wanted }),
    ...(weightsTouched && { weights: weights() }),
  };
}

const sliders = () => [...document.querySelectorAll("input[data-weight]")];
const weights = () => Object.fromEntries(sliders().map((slider) => [slider.dataset.weight, Number(slider.value)]));

async function ask() {
  const words = byId("query").value.trim();
  if (!words && !hasPicture()) return byId("query").focus();
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  begin(words);
  try {
    const request = await body(words);
    const way = words && chosen("mode") === "answer" ? askForAnswer : searchOnly;
    await patiently(() => way(request, words, signal), signal);
  } catch (problem) {
    if (problem.name !== "AbortError") showProblem(problem);
  } finally {
    if (running?.signal === signal) end();
  }
}

/** Ask again, a few times, when the gateway says that it can answer in a moment. */
async function patiently(work, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (problem) {
      const again = problem.retryAfterS !== null && problem.retryAfterS <= LONGEST_WAIT_S;
      if (!(problem instanceof api.Problem) || !again || attempt === ATTEMPTS) throw problem;
      announce("The gateway is busy. Asking again.");
      await new Promise((resolve) => setTimeout(resolve, problem.retryAfterS * 1000));
      signal.throwIfAborted();
    }
  }
}

/** Ask anew when something was asked and how it is asked has changed. */
function askAgain() {
  const found = byId("hits").childElementCount > 0;
  if (running || found || !byId("answer").hidden) ask();
}

function begin(words) {
  byId("problem").hidden = true;
  document.body.classList.add("is-busy");
  clearAnswer();
  keepAddress(words);
}

/** What was asked, and how, into the page's address; a picture and weights are not kept. */
function keepAddress(words) {
  const kept = { ...(words && { q: words }), ...filterParameters() };
  for (const name of ["mode", "kind"]) if (chosen(name) !== standard(name)) kept[name] = chosen(name);
  const parameters = new URLSearchParams(kept).toString();
  history.replaceState(null, "", parameters ? `?${parameters}` : location.pathname);
}

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  for (const name of ["mode", "kind"]) {
    const wanted = [...document.getElementsByName(name)].find((input) => input.value === parameters.get(name));
    if (wanted) wanted.checked = true;
  }
  readParameters(parameters);
  byId("query").value = parameters.get("q") ?? "";
}

function end() {
  running = null;
  document.body.classList.remove("is-busy");
}

async function searchOnly(request, words, signal) {
  const found = await api.search(request, signal);
  showBadges(found);
  showTimings(found.timings_ms);
  showFound(found.hits, words, (rank) => api.clicked(found.impression_id, rank));
  announce(`${found.hits.length} found`);
}

async function askForAnswer(request, words, signal) {
  let whole = false;
  for await (const { event, data } of api.answer(request, signal)) {
    if (signal.aborted) return;
    if (event === "documents") {
      showBadges(data);
      showTimings(data.timings_ms);
      showFound(data.documents, words);
      startAnswer(data.generator);
    } else if (event === "delta") addToAnswer(data.text);
    else if (event === "done") {
      whole = true;
      finishAnswer(data);
      showTimings(data.timings_ms);
      announce(data.failed_stage ? "The answer could not be written." : data.found ? "The answer is complete." : "The documents do not answer this.");
    }
  }
  if (!whole) throw new api.Problem("The answer broke off. Ask again.");
}

/** The hits, or the way out where a filter left none. */
function showFound(hits, words, opened) {
  showHits(hits, words, opened);
  if (hits.length || !isFiltered()) return;
  const button = el("button", { class: "quiet", type: "button" }, "Search without filters");
  button.addEventListener("click", () => {
    clearFilters();
    ask();
  });
  byId("hits").querySelector(".nothing").append(" ", button);
}

function showProblem(problem) {
  clearAnswer();
  hideMeasures();
  clearHits();
  byId("empty").hidden = true;
  const again = problem.retryAfterS ? ` Try again in ${Math.ceil(problem.retryAfterS)} s.` : "";
  byId("problem").replaceChildren(
    el("p", {}, (problem instanceof api.Problem ? problem.message : "Something went wrong on this page.") + again),
    problem.traceId ? el("code", {}, `trace ${problem.traceId}`) : "",
  );
  byId("problem").hidden = false;
}

function startOver() {
  running?.abort();
  byId("query").value = "";
  clearPicture();
  clearFilters();
  clearAnswer();
  clearHits();
  hideMeasures();
  byId("problem").hidden = true;
  history.replaceState(null, "", location.pathname);
  byId("query").focus();
}

function showExamples() {
  const there = sources();
  const offered = EXAMPLES.filter(([name]) => there.some((source) => source.split("/").pop() === name)).slice(0, 4);
  byId("examples").replaceChildren(
    ...offered.map(([, text]) => {
      const button = el("button", { class: "example", type: "button" }, text);
      button.addEventListener("click", () => {
        byId("query").value = text;
        ask();
      });
      return button;
    }),
  );
}

async function showHealth() {
  const { ready } = await api.readiness();
  byId("health").textContent = ready ? "ready" : "not ready";
  byId("health").className = `health ${ready ? "is-ready" : "is-down"}`;
}

function startWeights() {
  const tell = () => sliders().forEach((slider) => (slider.parentElement.querySelector("output").textContent = weightsTouched ? Number(slider.value).toFixed(1) : "default"));
  for (const slider of sliders()) {
    slider.addEventListener("input", () => {
      weightsTouched = true;
      tell();
    });
  }
  byId("weights-reset").addEventListener("click", () => {
    weightsTouched = false;
    for (const slider of sliders()) slider.value = slider.defaultValue;
    tell();
  });
  tell();
}

/** Files dropped anywhere else must not replace the page; the two places that take them are shown. */
function startDragging() {
  let depth = 0;
  const show = (by) => {
    depth = Math.max(0, depth + by);
    document.body.classList.toggle("is-dragging", depth > 0);
  };
  document.addEventListener("dragenter", (event) => event.dataTransfer?.types.includes("Files") && show(1));
  document.addEventListener("dragleave", (event) => event.dataTransfer?.types.includes("Files") && show(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show(0);
  });
}

function startKeys() {
  const panels = [byId("weights"), byId("filters")];
  document.addEventListener("click", (event) => {
    for (const panel of panels) if (!panel.contains(event.target)) panel.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const open = panels.find((panel) => panel.open);
    if (event.key === "Escape" && open) {
      if (open.contains(event.target)) open.querySelector("summary").focus();
      open.open = false;
    }
    const typing = event.target.closest("input, select, textarea, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId("query").select();
    }
    if (event.key === "Escape" && event.target === byId("query") && !byId("query").value && hasPicture()) clearPicture();
  });
}

byId("query-form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
document.querySelector(".brand").addEventListener("click", (event) => {
  event.preventDefault();
  startOver();
});
byId("query-form").addEventListener("change", (event) => {
  if (event.target.matches("input[type=radio], input[type=range]")) askAgain();
});
startPicture((sentence) => showProblem(new api.Problem(sentence)));
startWeights();
startFilters(askAgain);
startSheet();
startDragging();
startKeys();
startDocuments(() => {
  showExamples();
  offerCollections(collections());
});
showHealth();
setInterval(showHealth, HEALTH_EVERY_MS);
readAddress();
if (byId("query").value) ask();
else byId("query").focus();
