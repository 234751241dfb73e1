// Which documents a search looks at: collection, kind of file, day of arrival. Kept in the page's address.

import { byId, el } from "./dom.js";

const TYPES = {
  pdf: ["PDF", ["application/pdf"]],
  word: ["Word", ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]],
  web: ["Web page", ["text/html"]],
  markdown: ["Markdown", ["text/markdown"]],
  text: ["Plain text", ["text/plain"]],
  picture: ["Picture file", ["image/png", "image/jpeg", "image/tiff", "image/webp", "image/gif", "image/bmp"]],
};
const FIELDS = ["collection", "type", "after", "before"];

const field = (name) => byId(`filter-${name}`);
const value = (name) => field(name).value.trim();

/** The filter of a search as the API takes it; nothing where none is set. */
export function filter() {
  return {
    ...(value("collection") && { collections: [value("collection")] }),
    ...(value("type") && { content_types: TYPES[value("type")][1] }),
    ...(value("after") && { added_after_ms: midnight(value("after"), 0) }),
    ...(value("before") && { added_before_ms: midnight(value("before"), 1) }),
  };
}

export const isFiltered = () => FIELDS.some(value);

/** What is set, for the page's address. */
export const filterParameters = () => Object.fromEntries(FIELDS.filter(value).map((name) => [name, value(name)]));

/** Set what an address says; what cannot be is left out. */
export function readParameters(parameters) {
  for (const name of FIELDS) field(name).value = parameters.get(name) ?? "";
  showSet();
}

export function clearFilters() {
  for (const name of FIELDS) field(name).value = "";
  showSet();
}

/** Offer these collections; others can be typed. */
export function offerCollections(names) {
  byId("collections").replaceChildren(...[...new Set(names)].sort().map((name) => el("option", { value: name })));
}

/** Wire the fields; `changed` is called when what is searched for has changed. */
export function startFilters(changed) {
  field("type").append(...Object.entries(TYPES).map(([key, [label]]) => el("option", { value: key }, label)));
  byId("filters").addEventListener("change", (event) => {
    event.stopPropagation(); // the form asks anew for its other fields
    showSet();
    changed();
  });
  byId("filters-clear").addEventListener("click", () => {
    clearFilters();
    changed();
  });
  byId("filter-chips").addEventListener("click", (event) => {
    const name = event.target.closest("button")?.dataset.field;
    if (!name) return;
    field(name).value = "";
    showSet();
    byId("filters").querySelector("summary").focus();
    changed();
  });
}

/** Midnight at the beginning of a day, as people here have it, some days later. */
function midnight(day, later) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).getTime();
}

function showSet() {
  const words = {
    collection: (name) => `in ${name}`,
    type: (key) => TYPES[key][0],
    after: (day) => `from ${day}`,
    before: (day) => `until ${day}`,
  };
  byId("filter-chips").replaceChildren(
    ...FIELDS.filter(value).map((name) => {
      const label = words[name](value(name));
      return el("button", { class: "chip", type: "button", data: { field: name }, aria: { label: `Remove the filter: ${label}` } }, label, el("span", { aria: { hidden: "true" } }, " ×"));
    }),
  );
}
