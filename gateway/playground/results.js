// Hits as cards: rank, where it stands, the text or picture, and what each half of the vector gave.

import { byId, el, findQuote, marked, wordRanges } from "./dom.js";
import { openSheet, pageName, placeOf } from "./sheet.js";

const score = (value) => (Math.abs(value) < 0.0005 ? "0" : value.toFixed(3).replace("-", "−"));

// What the words of the query that a hit holds added to its score.
const byWords = (hit) => Math.max(0, hit.score - hit.text_score - hit.image_score);

const AROUND = 160; // characters shown on either side of a quote
const LONG = 280; // longer texts can be opened and closed

let texts = new Map(); // rank -> { element, text, query }
let shownHits = [];

/** The hit of a rank, as it was found. */
export const hitOf = (rank) => shownHits.find((hit) => hit.rank === rank);

/** Show the hits of a query, best first; `opened` is told the rank of one that is opened. */
export function showHits(hits, query, opened = () => null) {
  texts = new Map();
  shownHits = hits;
  const best = Math.max(0.001, ...hits.map((hit) => Math.max(hit.text_score, 0) + Math.max(hit.image_score, 0) + byWords(hit)));
  byId("hits").replaceChildren(
    ...hits.map((hit) => {
      const item = card(hit, query, best);
      item.addEventListener("click", (event) => event.target.closest("a, button") && opened(hit.rank), { passive: true });
      return item;
    }),
  );
  byId("results-head").hidden = hits.length === 0;
  byId("empty").hidden = true;
  if (hits.length === 0) byId("hits").append(el("li", { class: "nothing" }, "Nothing was found."));
}

/** Back to the page as it was opened. */
export function clearHits() {
  byId("hits").replaceChildren();
  byId("results-head").hidden = true;
  byId("empty").hidden = false;
}

/** Single out the hit of a citation and mark the words that it quotes. */
export function showCited(citation) {
  for (const [rank, { element, text, query }] of texts) {
    const cited = rank === citation.n;
    const range = cited ? findQuote(text, citation.quote) : null;
    element.replaceChildren(...(range ? excerpt(text, range) : marked(text, wordRanges(text, query), "word")));
    element.classList.toggle("is-open", range !== null);
    byId(`hit-${rank}`).classList.toggle("is-cited", cited);
  }
}

/** The quoted words with a little of what stands around them. */
function excerpt(text, [start, end]) {
  const from = start <= AROUND ? 0 : text.indexOf(" ", start - AROUND) + 1;
  const to = end + AROUND >= text.length ? text.length : text.lastIndexOf(" ", end + AROUND);
  return [from ? "… " : "", ...marked(text.slice(from, to), [[start - from, end - from]], "cited"), to < text.length ? " …" : ""];
}

function card(hit, query, best) {
  const item = el("li", { class: `hit card is-${hit.kind}`, id: `hit-${hit.rank}`, tabIndex: -1 });
  item.append(el("span", { class: "rank", aria: { label: `Rank ${hit.rank}` } }, String(hit.rank)));
  if (hit.thumbnail_url) item.append(thumbnail(hit));
  item.append(el("div", { class: "hit-body" }, title(hit), ...passage(hit, query)), scores(hit, best));
  return item;
}

function thumbnail(hit) {
  const name = hit.caption || hit.machine_caption || `Picture in ${hit.source}`;
  const image = el("img", { src: hit.thumbnail_url, alt: name, loading: "lazy", decoding: "async" });
  const button = el("button", { class: "thumbnail", type: "button", title: "Show it large", aria: { label: `Show large: ${name}` } }, image);
  image.addEventListener("error", () => button.classList.add("is-broken"));
  button.addEventListener("click", () => view(hit, name));
  return button;
}

function view(hit, name) {
  byId("viewer-image").src = hit.picture_url ?? hit.thumbnail_url;
  byId("viewer-image").alt = name;
  byId("viewer-caption").textContent = [hit.caption, byMachine(hit), place(hit)].filter(Boolean).join(" · ");
  byId("viewer").showModal();
}

/** A captioner's words, said to be its; only pictures without any text of their own have them. */
const byMachine = (hit) => (hit.machine_caption ? `${hit.machine_caption} (described by a machine)` : null);

const place = (hit) => (hit.page == null ? hit.source : `${hit.source}, page ${hit.page}`);

function title(hit) {
  const name = hit.document_url
    ? el("a", { class: "source", href: hit.document_url, title: "Download the document" }, hit.source)
    : el("span", { class: "source" }, hit.source);
  return el(
    "h3",
    {},
    name,
    pageBadge(hit),
    hit.kind === "picture" ? el("span", { class: "badge" }, "picture") : null,
  );
}

/** Where the hit stands; a button that shows it there, where its kind has pages. */
function pageBadge(hit) {
  const place = placeOf(hit);
  if (place === null) return null;
  const button = el("button", { class: "badge page", type: "button", title: "Show it on its page", aria: { label: `Show it on ${pageName(place)}` } }, hit.page == null ? "show the place" : `page ${hit.page}`);
  button.addEventListener("click", () => openSheet(place, button));
  return button;
}

/** Caption or heading, then the text with the query's words marked; long texts open with a button. */
function passage(hit, query) {
  const parts = [];
  const lead = hit.kind === "picture" ? hit.caption : hit.heading;
  if (lead) parts.push(el("p", { class: hit.kind === "picture" ? "caption" : "heading" }, lead));
  if (hit.machine_caption) parts.push(el("p", { class: "caption", title: `By ${hit.captioned_by}` }, byMachine(hit)));
  const text = shownText(hit.text, lead);
  if (!text) return parts;
  const element = el("p", { class: "passage" }, ...marked(text, wordRanges(text, query), "word"));
  texts.set(hit.rank, { element, text, query });
  parts.push(element);
  if (text.length > LONG) {
    const more = el("button", { class: "quiet more", type: "button", aria: { expanded: "false" } }, "Show all");
    more.addEventListener("click", () => {
      const open = more.getAttribute("aria-expanded") === "false";
      element.replaceChildren(...marked(text, wordRanges(text, query), "word"));
      element.classList.toggle("is-open", open);
      more.textContent = open ? "Show less" : "Show all";
      more.setAttribute("aria-expanded", String(open));
    });
    parts.push(more);
  }
  return parts;
}

/** The text without empty lines, and without the heading or caption that is shown above it already. */
function shownText(text, lead) {
  const lines = text.trim().replace(/\n\s*\n/g, "\n");
  return lead && lines.startsWith(lead) ? lines.slice(lead.length).trim() : lines;
}

function scores(hit, best) {
  const bar = el("div", { class: "score-bar", aria: { hidden: "true" } });
  for (const [half, value] of [["text", hit.text_score], ["image", hit.image_score], ["words", byWords(hit)]]) {
    const piece = el("span", { class: half });
    piece.style.width = `${(Math.max(value, 0) / best) * 100}%`;
    bar.append(piece);
  }
  return el(
    "div",
    { class: "scores" },
    el("b", { title: "Score: the sum of both halves and of the words that match as written" }, score(hit.score)),
    bar,
    el("span", { class: "halves" }, el("span", { class: "by-text", title: "by text" }, score(hit.text_score)), " + ", el("span", { class: "by-picture", title: "by picture" }, score(hit.image_score)), ...(byWords(hit) >= 0.0005 ? [" + ", el("span", { class: "by-words", title: "by words as written" }, score(byWords(hit)))] : [])),
  );
}
