// A page of a document as a picture, with the place of a hit or a citation marked: small beside a quote, large in a dialog.

import * as api from "./api.js";
import { byId, el } from "./dom.js";

const WIDTH = 1200; // pixels asked for; enough for letters on a phone's screen, too
const KEPT = 12;

const pictures = new Map(); // key -> promise of { url, pages, marks }, the newest last
let shown = null; // what the dialog shows: { place, page, opener }

/** Where a hit can be looked at: { docId, version, page, box, quote, source }, null where its kind has no pages. */
export function placeOf(hit, quote = hit.kind === "picture" ? hit.caption : hit.snippet) {
  const onPicture = hit.content_type.startsWith("image/") && hit.box;
  const page = hit.page ?? (onPicture ? 1 : null);
  return page === null ? null : { docId: hit.doc_id, version: hit.version, page, box: hit.box, quote, source: hit.source };
}

export const pageName = (place) => `${place.source}, page ${place.page}`;

/** A button with the page in it, small; it opens the page large. */
export function sheetButton(place) {
  const sheet = el("span", { class: "sheet" });
  const button = el("button", { class: "sheet-button", type: "button", aria: { label: `Show ${pageName(place)} large` } }, sheet);
  button.addEventListener("click", () => openSheet(place, button));
  draw(place, place.page, sheet, () => button.isConnected).catch((problem) => {
    button.replaceWith(el("p", { class: "notice" }, problem.message));
  });
  return button;
}

/** Show a page large; the focus comes back to `opener`. */
export async function openSheet(place, opener) {
  shown = { place, page: place.page, opener };
  byId("sheet-zoom").setAttribute("aria-pressed", "false");
  byId("sheet-dialog").classList.remove("is-large");
  byId("sheet-dialog").showModal();
  byId("sheet-view").focus();
  await turn(place.page);
}

async function turn(page) {
  const now = shown;
  now.page = page;
  byId("sheet-title").textContent = now.place.source;
  byId("sheet-count").textContent = `page ${page}`;
  byId("sheet-note").textContent = "";
  byId("sheet-page").replaceChildren();
  byId("sheet-back").disabled = byId("sheet-next").disabled = true;
  const current = () => shown === now && now.page === page;
  try {
    const pages = await draw(now.place, page, byId("sheet-page"), current);
    if (!current()) return;
    byId("sheet-count").textContent = `page ${page} of ${pages}`;
    byId("sheet-back").disabled = page <= 1;
    byId("sheet-next").disabled = page >= pages;
    byId("sheet-note").replaceChildren(...notes(now.place));
    scrollToPlace();
  } catch (problem) {
    if (current()) byId("sheet-page").replaceChildren(el("p", { class: "sheet-problem", role: "alert" }, problem.message));
  }
}

/** The page's picture into `sheet`, its marks over it, while `wanted()` holds. Gives the number of pages. */
async function draw(place, page, sheet, wanted) {
  const { url, pages, marks } = await picture(place, page);
  const image = el("img", { src: url, alt: `Page ${page} of ${place.source}` });
  await image.decode();
  if (wanted()) {
    const box = page === place.page && place.box ? [over(place.box, "place")] : [];
    sheet.replaceChildren(image, ...box, ...marks.map((mark) => over(mark, "mark")));
  }
  return pages;
}

/** A rectangle over the page; boxes are [left, top, right, bottom] in fractions of it. */
function over([left, top, right, bottom], className) {
  const piece = el("span", { class: className, aria: { hidden: "true" } });
  const sizes = { left, top, width: right - left, height: bottom - top };
  for (const [name, share] of Object.entries(sizes)) piece.style[name] = `${share * 100}%`;
  return piece;
}

function picture(place, page) {
  const key = JSON.stringify([place.docId, place.version, page, place.quote]);
  const known = pictures.get(key) ?? api.page(place, page, WIDTH);
  pictures.delete(key);
  pictures.set(key, known);
  known.catch(() => pictures.delete(key));
  for (const [old, found] of pictures) {
    if (pictures.size <= KEPT) break;
    pictures.delete(old);
    found.then(({ url }) => URL.revokeObjectURL(url), () => null);
  }
  return known;
}

/** What is quoted, and what the marks on the page are. */
function notes({ quote }) {
  const key = (what, words) =>
    byId("sheet-page").querySelector(`.${what}`) && el("span", {}, el("i", { class: `key-${what}` }), words);
  return [quote ? el("q", {}, quote.trim()) : null, key("mark", "these words"), key("place", "what was found")].filter(Boolean);
}

function scrollToPlace() {
  const target = byId("sheet-page").querySelector(".mark, .place");
  target?.scrollIntoView({ block: "center", inline: "nearest" });
}

/** Wire the dialog. */
export function startSheet() {
  const dialog = byId("sheet-dialog");
  const by = (step, button) => !byId(button).disabled && turn(shown.page + step);
  byId("sheet-back").addEventListener("click", () => by(-1, "sheet-back"));
  byId("sheet-next").addEventListener("click", () => by(1, "sheet-next"));
  byId("sheet-zoom").addEventListener("click", () => {
    const large = dialog.classList.toggle("is-large");
    byId("sheet-zoom").setAttribute("aria-pressed", String(large));
    scrollToPlace();
  });
  dialog.addEventListener("keydown", (event) => {
    const sideways = byId("sheet-view").scrollWidth > byId("sheet-view").clientWidth;
    if (sideways || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") by(-1, "sheet-back");
    if (event.key === "ArrowRight") by(1, "sheet-next");
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    shown?.opener.focus();
    shown = null;
  });
}
