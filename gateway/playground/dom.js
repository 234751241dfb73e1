// Small tools for the page. Text only ever enters through text nodes, so nothing that a document says becomes markup.

export const byId = (id) => document.getElementById(id);

/** A new element. `properties` are DOM properties, except `class`, `data` (dataset) and `aria` (aria-* attributes). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** `text` as nodes, with the ranges [start, end) inside <mark> elements. Ranges are sorted and do not overlap. */
export function marked(text, ranges, className) {
  const nodes = [];
  let at = 0;
  for (const [start, end] of ranges) {
    if (start < at) continue;
    nodes.push(text.slice(at, start), el("mark", { class: className }, text.slice(start, end)));
    at = end;
  }
  nodes.push(text.slice(at));
  return nodes;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Where `quote` stands in `text`, whatever the white space between its words; null when it does not. */
export function findQuote(text, quote) {
  const words = quote.trim().split(/\s+/).filter(Boolean).map(escaped);
  const match = words.length ? new RegExp(words.join("\\s+")).exec(text) : null;
  return match ? [match.index, match.index + match[0].length] : null;
}

/** Ranges of the query's longer words in a text. */
export function wordRanges(text, query) {
  const words = [...new Set(query.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? [])].map(escaped);
  if (!words.length) return [];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})`, "giu");
  return [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length]);
}

export const milliseconds = (ms) => (ms < 9.95 ? ms.toFixed(1) : Math.round(ms).toString());

export function bytes(size) {
  if (size === null || size === undefined) return "";
  if (size < 1024) return `${size} B`;
  return size < 1024 * 1024 ? `${Math.round(size / 1024)} kB` : `${(size / 1024 / 1024).toFixed(1)} MB`;
}

/** Tell people who cannot see the change. */
export function announce(text) {
  byId("live").textContent = text;
}
