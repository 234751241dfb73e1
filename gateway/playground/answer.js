// The answer: written piece by piece, then with its checked citations as buttons.

import { byId, el } from "./dom.js";
import { hitOf, showCited } from "./results.js";
import { placeOf, sheetButton } from "./sheet.js";

const MARKER = /\s*\[(\d{1,3})\]/g;
const WRITERS = { extractive: "quoted from the documents", llama: "written by Llama" };

let written = "";

/** Begin a new answer. */
export function startAnswer(generator) {
  written = "";
  byId("answer").hidden = false;
  byId("answer").classList.add("is-writing");
  byId("answer-by").textContent = WRITERS[generator] ?? generator;
  byId("answer-text").replaceChildren();
  byId("quote").hidden = true;
}

/** A further piece; its citations are not checked yet, so they are only numbers. */
export function addToAnswer(text) {
  written += text;
  byId("answer-text").replaceChildren(...pieces(written, (n) => el("span", { class: "cite is-unchecked" }, String(n))));
}

/** The whole answer with the citations that held. */
export function finishAnswer(response) {
  const box = byId("answer-text");
  byId("answer").classList.remove("is-writing");
  byId("answer").classList.toggle("is-missing", !response.found);
  const groups = Map.groupBy ? Map.groupBy(response.citations, (c) => c.n) : grouped(response.citations);
  const used = new Map();
  box.replaceChildren(
    ...pieces(response.answer, (n) => {
      const ofThis = groups.get(n) ?? [];
      const turn = used.get(n) ?? 0;
      used.set(n, turn + 1);
      const citation = ofThis[Math.min(turn, ofThis.length - 1)];
      return citation ? marker(citation) : null;
    }),
  );
  if (response.failed_stage) {
    byId("answer-by").textContent = "partial";
    box.append(el("p", { class: "notice warn" }, "The answer could not be written this time. The documents below are what it would have been drawn from."));
  }
  if (response.citations_dropped) {
    const many = response.citations_dropped === 1 ? "One citation was" : `${response.citations_dropped} citations were`;
    box.append(el("p", { class: "notice" }, `${many} left out: the quoted words are not in the source.`));
  }
}

/** Take the answer off the page. */
export function clearAnswer() {
  byId("answer").hidden = true;
  byId("answer").classList.remove("is-writing");
}

function grouped(citations) {
  const groups = new Map();
  for (const citation of citations) groups.set(citation.n, [...(groups.get(citation.n) ?? []), citation]);
  return groups;
}

/** The text with each `[n]` replaced by what `replace` gives. */
function pieces(text, replace) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(MARKER)) {
    nodes.push(text.slice(at, match.index), replace(Number(match[1])) ?? "");
    at = match.index + match[0].length;
  }
  return [...nodes, text.slice(at)];
}

function marker(citation) {
  const where = citation.page == null ? citation.source : `${citation.source}, page ${citation.page}`;
  const button = el("button", { class: "cite", type: "button", title: where, aria: { label: `Source ${citation.n}: ${where}`, expanded: "false" } }, String(citation.n));
  button.addEventListener("click", () => open(button, citation));
  return button;
}

function open(button, citation) {
  for (const other of document.querySelectorAll(".cite[aria-expanded='true']")) other.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-expanded", "true");
  const link = el("a", { href: `#hit-${citation.n}` }, citation.source);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    byId(`hit-${citation.n}`)?.focus();
  });
  const place = placeCited(citation);
  byId("quote").replaceChildren(
    el("blockquote", {}, citation.quote),
    el("figcaption", {}, el("span", { class: "cite is-label" }, String(citation.n)), link, citation.page == null ? "" : `, page ${citation.page}`),
  );
  if (place) byId("quote").append(sheetButton(place));
  byId("quote").hidden = false;
  showCited(citation);
  byId("quote").scrollIntoView({ block: "nearest" });
}

/** Where the quoted words can be looked at, null where the document has no pages. */
function placeCited(citation) {
  const hit = hitOf(citation.n);
  return hit ? placeOf({ ...hit, page: citation.page, box: citation.box }, citation.quote) : null;
}
