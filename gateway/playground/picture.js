// The picture that is searched with: chosen, dropped or pasted, shown beside the words, sent as Base64.

import { announce, byId } from "./dom.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];

let current = null; // { file, url }

export const hasPicture = () => current !== null;

/** The picture's bytes as Base64, or null. */
export async function pictureBase64() {
  if (!current) return null;
  const { file } = current;
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}

export function clearPicture() {
  if (current) URL.revokeObjectURL(current.url);
  current = null;
  byId("query-picture").hidden = true;
}

function setPicture(file) {
  clearPicture();
  current = { file, url: URL.createObjectURL(file) };
  byId("query-picture-image").src = current.url;
  byId("query-picture").hidden = false;
  byId("query").focus();
  announce(`Searching with the picture ${file.name}`);
}

const pictureIn = (files) => [...(files ?? [])].find((file) => KINDS.includes(file.type));

/** Wire the controls. `refused` is called with a sentence when a file is no picture. */
export function startPicture(refused) {
  const input = byId("picture-file");
  const box = byId("query-box");
  byId("choose-picture").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const file = pictureIn(input.files);
    if (file) setPicture(file);
    else if (input.files.length) refused("Only PNG, JPEG and WebP pictures can be searched with.");
    input.value = "";
  });
  byId("query-picture-remove").addEventListener("click", () => {
    clearPicture();
    byId("query").focus();
  });
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData?.files);
    if (!file) return;
    event.preventDefault();
    setPicture(file);
  });
  box.addEventListener("drop", (event) => {
    const file = pictureIn(event.dataTransfer?.files);
    if (file) setPicture(file);
    else if (event.dataTransfer?.files.length) refused("Only PNG, JPEG and WebP pictures can be searched with.");
  });
}
