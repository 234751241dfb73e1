// The gateway's API. Every failure is thrown as a Problem with a sentence for people.

// A form on a foreign page cannot send this header; the gateway wants it with uploads.
const WRITE = { "X-Requested-With": "trireme" };

export class Problem extends Error {
  constructor(detail, { code = "unreachable", traceId = null, retryAfterS = null } = {}) {
    super(detail);
    this.code = code;
    this.traceId = traceId;
    this.retryAfterS = retryAfterS;
  }
}

const problemOf = (body, status) =>
  new Problem(body?.detail ?? `The gateway answered with status ${status}.`, {
    code: body?.code,
    traceId: body?.trace_id ?? null,
    retryAfterS: body?.retry_after_s ?? null,
  });

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...WRITE, ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The gateway cannot be reached.");
  }
  if (!response.ok) throw problemOf(await response.json().catch(() => null), response.status);
  return response;
}

const post = (path, body, { signal, accept = "application/json", headers = {} } = {}) =>
  request(path, {
    method: "POST",
    body: JSON.stringify(body),
    signal,
    headers: { "Content-Type": "application/json", Accept: accept, ...headers },
  });

export const search = async (body, signal) =>
  (await post("/v1/search", body, { signal, headers: { "X-Session-Id": session() } })).json();

/** Say that a hit of a search was opened. Nobody waits for it, and nobody is told when it fails. */
export const clicked = (impressionId, rank) =>
  post("/v1/feedback", { impression_id: impressionId, kind: "click", rank }).catch(() => null);

export const experiments = async () => (await request("/v1/experiments")).json();
export const experiment = async (name) => (await request(`/v1/experiments/${encodeURIComponent(name)}`)).json();

/** Names this tab, so that experiments answer it by one variant. */
function session() {
  const known = sessionStorage.getItem("session");
  if (known) return known;
  sessionStorage.setItem("session", Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join(""));
  return session();
}

/** The events of an answer as they come: {event, data}. */
export async function* answer(body, signal) {
  const response = await post("/v1/answer", body, { signal, accept: "text/event-stream" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting = (waiting + value).replaceAll("\r\n", "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
  }
}

function eventOf(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}

export async function documents({ state, cursor }) {
  const parameters = new URLSearchParams({ limit: "100" });
  if (state) parameters.set("state", state);
  if (cursor) parameters.set("cursor", cursor);
  return (await request(`/v1/documents?${parameters}`)).json();
}

/** A page of a document as a picture of its own address: { url, pages, marks }; marks are boxes around the quote's words. */
export async function page({ docId, version, quote }, number, width) {
  const wanted = new URLSearchParams({ width, version, ...(quote && { quote: quote.slice(0, 2000) }) });
  const response = await request(`/v1/documents/${encodeURIComponent(docId)}/pages/${number}?${wanted}`);
  return {
    url: URL.createObjectURL(await response.blob()),
    pages: Number(response.headers.get("X-Page-Count")),
    marks: JSON.parse(response.headers.get("X-Quote-Boxes") ?? "[]"),
  };
}

export const remove = async (docId) =>
  (await request(`/v1/documents/${encodeURIComponent(docId)}`, { method: "DELETE" })).json();

/** Have all that was given up of a document's version done again; how many pieces of work that were. */
export async function requeue(docId, version) {
  const wanted = new URLSearchParams({ document: docId, state: "open" });
  const { letters } = await (await request(`/v1/dead-letters?${wanted}`)).json();
  const open = letters.filter((letter) => letter.version === version);
  for (const { id } of open) await request(`/v1/dead-letters/${id}/requeue`, { method: "POST" });
  return open.length;
}

/** Upload one file; `progress` is called with 0 to 1. Fetch cannot tell progress, XMLHttpRequest can. */
export function upload(file, progress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", "/v1/documents");
    for (const [name, value] of Object.entries(WRITE)) call.setRequestHeader(name, value);
    call.responseType = "json";
    call.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    call.onerror = () => reject(new Problem("The gateway cannot be reached."));
    call.onload = () => (call.status < 300 ? resolve(call.response) : reject(problemOf(call.response, call.status)));
    const form = new FormData();
    form.append("file", file, file.name);
    call.send(form);
  });
}

/** Whether searches can be answered: {ready, ...details}. */
export async function readiness() {
  try {
    return await (await fetch("/readyz")).json();
  } catch {
    return { ready: false };
  }
}
