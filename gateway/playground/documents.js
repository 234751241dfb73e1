// The library: uploads on their way, documents with their state as it changes, delete.

import * as api from "./api.js";
import { announce, byId, bytes, el } from "./dom.js";

const AT_ONCE = 2;
const GOING = new Set(["deleting", "deleted", "expired"]);
const STAGE_NAMES = { door: "taken in", text: "text", image: "pictures", join: "joined", shard: "in the index" };
const STAGES = ["door", "text", "image", "join", "shard"];
const REFRESH_MS = 400;

const rows = new Map(); // doc_id -> { view, element }
const waiting = []; // files that are not uploaded yet
let uploading = 0;
let nextCursor = null;
let changed = () => {};

/** Names of the documents that searches find. */
export const sources = () => [...rows.values()].filter(({ view }) => view.visible_version !== null).map(({ view }) => view.source ?? "");

/** Collections of the documents that are listed. */
export const collections = () => [...rows.values()].map(({ view }) => view.collection).filter(Boolean);

/** Wire the panel. `onChange` is called whenever the list changed. */
export function startDocuments(onChange) {
  changed = onChange;
  const input = byId("document-files");
  byId("add-documents").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    enqueue(input.files);
    input.value = "";
  });
  byId("library").addEventListener("drop", (event) => enqueue(event.dataTransfer?.files));
  byId("state-filter").addEventListener("change", () => reload());
  byId("more-documents").addEventListener("click", () => load(nextCursor));
  follow();
}

function follow() {
  const events = new EventSource("/v1/documents/events");
  let due = null;
  events.addEventListener("reload", () => {
    clearTimeout(due);
    due = setTimeout(reload, REFRESH_MS / 4);
  });
  events.addEventListener("document", (event) => take(JSON.parse(event.data)));
}

async function reload() {
  rows.clear();
  byId("documents").replaceChildren();
  await load(null);
}

async function load(cursor) {
  try {
    const page = await api.documents({ state: byId("state-filter").value, cursor });
    for (const view of page.documents) place(view, false);
    nextCursor = page.next_cursor;
    byId("more-documents").hidden = !nextCursor;
    showEmpty();
    changed();
  } catch (problem) {
    byId("documents").replaceChildren(el("li", { class: "nothing" }, problem.message));
  }
}

/** News about one document: into its row, on top when it is new, away when the filter no longer wants it. */
function take(view) {
  const wanted = byId("state-filter").value;
  const row = rows.get(view.doc_id);
  if (wanted && view.state !== wanted) {
    row?.element.remove();
    rows.delete(view.doc_id);
  } else {
    if (row && row.view.state !== view.state) announce(`${view.source}: ${view.state}`);
    place(view, true);
  }
  showEmpty();
  changed();
}

function place(view, onTop) {
  const element = row(view);
  const known = rows.get(view.doc_id);
  if (known && known.view.version > view.version) return;
  if (known) known.element.replaceWith(element);
  else if (onTop) byId("documents").prepend(element);
  else byId("documents").append(element);
  rows.set(view.doc_id, { view, element });
}

function showEmpty() {
  byId("documents").querySelector(".nothing")?.remove();
  if (rows.size === 0) byId("documents").append(el("li", { class: "nothing" }, byId("state-filter").value ? "None." : "No documents yet."));
}

function row(view) {
  const name = view.source ?? view.doc_id;
  const title = view.file_url ? el("a", { class: "source", href: view.file_url, title: `Download ${name}` }, name) : el("span", { class: "source" }, name);
  const facts = [bytes(view.size_bytes), items(view), view.collection && view.collection !== "default" ? view.collection : null].filter(Boolean);
  return el(
    "li",
    { class: `document is-${view.state}`, data: { docId: view.doc_id } },
    el("div", { class: "document-name" }, title, hasFailed(view) ? retryButton(view, name) : null, GOING.has(view.state) ? null : deleteButton(view, name)),
    el("div", { class: "document-facts" }, el("span", { class: `state ${view.state}` }, view.state), stages(view), el("span", { class: "muted" }, facts.join(" · "))),
    view.reason ? el("p", { class: "reason" }, view.reason) : null,
  );
}

function items(view) {
  const count = view.stages.find(({ stage }) => stage === "shard")?.count;
  return count ? `${count} ${count === 1 ? "item" : "items"}` : null;
}

/** One dot a stage, filled as the document passes it. */
function stages(view) {
  const known = new Map(view.stages.map((stage) => [stage.stage, stage]));
  const dots = STAGES.map((name) => {
    const state = known.get(name)?.state ?? "waiting";
    return el("i", { class: `dot ${state}`, title: `${STAGE_NAMES[name]}: ${known.get(name)?.reason ?? state}` });
  });
  const told = STAGES.filter((name) => known.has(name)).map((name) => `${STAGE_NAMES[name]} ${known.get(name).state}`);
  return el("span", { class: "dots", role: "img", aria: { label: told.join(", ") } }, ...dots);
}

const hasFailed = (view) => !GOING.has(view.state) && view.stages.some(({ state }) => state === "failed");

/** Puts back into the queue what was given up of a document. */
function retryButton(view, name) {
  const button = el("button", { class: "quiet retry", type: "button", aria: { label: `Try ${name} again` } }, "Try again");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const found = await api.requeue(view.doc_id, view.version);
      button.textContent = found ? "Queued" : "Nothing to redo";
      announce(found ? `${name} is tried again.` : `There is nothing to redo for ${name}.`);
    } catch (problem) {
      button.disabled = false;
      button.title = problem.message;
      button.textContent = "Failed";
    }
  });
  return button;
}

/** Asks once more in place before it deletes. */
function deleteButton(view, name) {
  const button = el("button", { class: "quiet delete", type: "button", aria: { label: `Delete ${name}` } }, "Delete");
  button.addEventListener("click", async () => {
    if (!button.classList.contains("is-sure")) {
      button.classList.add("is-sure");
      button.textContent = "Really?";
      setTimeout(() => {
        button.classList.remove("is-sure");
        button.textContent = "Delete";
      }, 3000);
      return;
    }
    button.disabled = true;
    try {
      take(await api.remove(view.doc_id));
    } catch (problem) {
      button.disabled = false;
      button.title = problem.message;
      button.textContent = "Failed";
    }
  });
  return button;
}

function enqueue(files) {
  for (const file of files ?? []) {
    const progress = el("progress", { max: 1, value: 0, aria: { label: `Upload of ${file.name}` } });
    const element = el("li", {}, el("span", { class: "source" }, file.name), progress);
    byId("uploads").append(element);
    waiting.push({ file, progress, element });
  }
  pump();
}

function pump() {
  while (uploading < AT_ONCE && waiting.length) {
    uploading += 1;
    run(waiting.shift()).finally(() => {
      uploading -= 1;
      pump();
    });
  }
}

async function run({ file, progress, element }) {
  try {
    take(await api.upload(file, (share) => (progress.value = share)));
    element.remove();
  } catch (problem) {
    progress.remove();
    const dismiss = el("button", { class: "quiet", type: "button", aria: { label: `Dismiss the message about ${file.name}` } }, "×");
    dismiss.addEventListener("click", () => element.remove());
    element.classList.add("is-refused");
    element.append(dismiss, el("p", { class: "reason" }, problem.message));
  }
}
