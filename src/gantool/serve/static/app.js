"use strict";
// The page of `gantool serve`: one picture at a time, sent as it is, without its name.

const $ = (id) => document.getElementById(id);
const VIEWS = [["overlay", "Overlay"], ["color", "Colors"]];

const state = { models: [], file: null, name: "picture", answer: null, asked: null, urls: [] };

function show(id, visible) { $(id).hidden = !visible; }
function say(text) { $("status").textContent = text; }

function fail(text) {
  $("error").textContent = text;
  show("error", Boolean(text));
}

// --- the server

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("gantool-token");
  const headers = { ...(options.headers || {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Is it still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) {
    sessionStorage.removeItem("gantool-token");
    show("token-form", true);
    $("token").focus();
    throw new Error(token ? "That is not the token." : "");
  }
  let sentence = `The server answers with ${answer.status}.`;
  try { sentence = (await answer.json()).error || sentence; } catch { /* no JSON, as of a proxy */ }
  throw new Error(sentence);
}

async function loadModels() {
  try {
    state.models = (await (await ask("models")).json()).models;
  } catch (error) {
    fail(error.message);
    return;
  }
  fail("");
  show("token-form", false);
  // Models that translate come first: that is what most people come for.
  state.models.sort((one, other) => Boolean(other.translates.length) - Boolean(one.translates.length));
  $("model").replaceChildren(...state.models.map((model) => new Option(model.name)));
  listChoices();
  if (state.file) work();
}

function chosenModel() { return state.models.find((model) => model.name === $("model").value); }

function listChoices() {
  const model = chosenModel();
  if (!model) return;
  const ways = model.translates.map((one) => ["to:" + one.to, one.to]);
  if (model.segments) ways.push(...VIEWS.map(([view, title]) => ["view:" + view, title]));
  $("choice-title").textContent = model.translates.length ? "To" : "Shown as";
  // Winter first: most pictures that people have are not of it.
  ways.sort((one, other) => (other[1] === "winter") - (one[1] === "winter"));
  $("choices").replaceChildren(...ways.map(([value, title], place) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "way", value, checked: place === 0 });
    label.append(radio, title);
    return label;
  }));
}

function chosenWay() {
  const radio = document.querySelector("input[name=way]:checked");
  return radio ? radio.value.split(/:(.*)/s) : ["", ""];
}

// --- one picture

function take(file, name) {
  if (!file) return;
  if (!file.size) { fail("That file is empty."); return; }
  state.file = file;
  state.name = (name || file.name || "picture").replace(/\.[^.]*$/, "") || "picture";
  state.answer = null;
  if (state.models.length) work();
}

async function work() {
  const [kind, what] = chosenWay();
  const model = chosenModel();
  if (!kind || !model || !state.file) return;
  if (state.asked) state.asked.abort();
  const asked = state.asked = new AbortController();
  fail("");
  show("busy", true);
  $("stage").setAttribute("aria-busy", "true");
  say("Working on the picture.");
  const started = performance.now();
  const query = new URLSearchParams({ model: model.name });
  if (kind === "to") query.set("to", what);
  else { query.set("as", "json"); query.set("images", "overlay,color,mask"); }
  try {
    const answer = await ask(`${kind === "to" ? "translate" : "segment"}?${query}`, {
      method: "POST", body: state.file, signal: asked.signal, headers: { "Content-Type": "application/octet-stream" },
    });
    const result = kind === "to"
      ? { kind, what, image: await answer.blob() }
      : { kind, ...(await answer.json()) };
    result.seconds = (performance.now() - started) / 1000;
    state.answer = result;
    await present();
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error.message);
    say("");
    if (!state.answer) { show("result", false); show("after-work", false); show("legend", false); show("empty", true); }
  } finally {
    if (state.asked === asked) {
      state.asked = null;
      show("busy", false);
      $("stage").removeAttribute("aria-busy");
    }
  }
}

function url(blob) {
  const made = URL.createObjectURL(blob);
  state.urls.push(made);
  return made;
}

function fromBase64(part) {
  const bytes = Uint8Array.from(atob(part.base64), (one) => one.charCodeAt(0));
  return new Blob([bytes], { type: part.type });
}

async function present() {
  const result = state.answer;
  const old = state.urls;
  state.urls = [];
  const view = result.kind === "to" ? result.what : chosenWay()[1];
  const image = result.kind === "to" ? result.image : fromBase64(result.images[view]);
  const before = $("before"), after = $("after");
  before.src = url(state.file);
  after.src = url(image);
  after.alt = result.kind === "to" ? `The picture in ${view}` : `The classes in the picture, as ${view}`;
  // Not every browser shows every format that the server reads.
  const shown = await before.decode().then(() => true, () => false);
  await after.decode().catch(() => {});
  $("compare").classList.toggle("alone", !shown);
  old.forEach((one) => URL.revokeObjectURL(one));
  offer("download", image, view);
  if (result.kind === "to") show("download-mask", false);
  else { offer("download-mask", fromBase64(result.images.mask), "mask"); show("download-mask", true); }
  const size = `${after.naturalWidth} × ${after.naturalHeight}`;
  $("caption").textContent = `${capital(view)} · ${size} pixels · ${result.seconds.toFixed(2)} s`
    + (shown ? "" : " · this browser does not show the original’s format");
  legend(result.kind === "to" ? [] : result.classes);
  show("empty", false); show("result", true); show("after-work", true);
  say(result.kind === "to" ? `Done: the picture in ${view}.` : `Done: ${sentenceOf(result.classes)}.`);
}

function capital(text) { return text.charAt(0).toUpperCase() + text.slice(1); }
function percent(share) { return `${(100 * share).toFixed(1)} %`; }
function bySize(classes) { return [...classes].sort((one, other) => other.share - one.share); }
function sentenceOf(classes) {
  return bySize(classes).filter((one) => one.share > 0).slice(0, 5).map((one) => `${one.name} ${percent(one.share)}`).join(", ");
}

function offer(id, blob, mark) {
  const suffix = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" }[blob.type] || "png";
  $(id).href = url(blob);
  $(id).download = `${state.name}.${mark}.${suffix}`;
}

function legend(classes) {
  show("legend", classes.length > 0);
  const most = Math.max(...classes.map((one) => one.share), 0.001);
  $("shares").replaceChildren(...bySize(classes).map((one) => {
    const row = document.createElement("tr");
    const name = document.createElement("td"), share = document.createElement("td");
    const swatch = document.createElement("span"), box = document.createElement("div");
    const track = document.createElement("i"), bar = document.createElement("b"), text = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = bar.style.background = one.color;
    bar.style.width = `${100 * one.share / most}%`;
    text.textContent = percent(one.share);
    box.className = "share";
    share.className = "number";
    track.append(bar);
    box.append(track, text);
    name.append(swatch, one.name);
    share.append(box);
    row.append(name, share);
    return row;
  }));
}

// --- the slider between before and after

function slide(value) {
  $("slider").value = value;
  $("compare").style.setProperty("--at", `${value}%`);
  $("slider").setAttribute("aria-valuetext", `${Math.round(value)} percent as it came`);
}

function slideTo(event) {
  const box = $("compare").getBoundingClientRect();
  slide(Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width)));
}

function listenToSlider() {
  const compare = $("compare");
  compare.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    compare.setPointerCapture(event.pointerId);
    slideTo(event);
  });
  compare.addEventListener("pointermove", (event) => { if (compare.hasPointerCapture(event.pointerId)) slideTo(event); });
  $("slider").addEventListener("input", () => slide(Number($("slider").value)));
  slide(50);
}

// --- ways for a picture to come in

function listenToPictures() {
  let inside = 0;
  const hasFile = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  addEventListener("dragenter", (event) => { if (hasFile(event)) { inside += 1; show("catch", true); } });
  addEventListener("dragleave", () => { inside = Math.max(0, inside - 1); if (!inside) show("catch", false); });
  addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    inside = 0;
    show("catch", false);
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files][0];
    if (file) { event.preventDefault(); take(file, "pasted"); }
  });
  for (const id of ["file", "camera"]) {
    $(id).addEventListener("change", () => { take($(id).files[0]); $(id).value = ""; });
  }
  const ways = {
    choose: () => $("file").click(),
    photograph: () => $("camera").click(),
    scene: async () => {
      try { take(await (await ask("static/scene.jpg")).blob(), "scene"); } catch (error) { fail(error.message); }
    },
  };
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", ways[button.dataset.do]);
}

function listenToChoices() {
  $("model").addEventListener("change", () => { listChoices(); work(); });
  $("choices").addEventListener("change", () => {
    if (chosenWay()[0] === "view" && state.answer && state.answer.kind === "view") present();
    else work();
  });
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem("gantool-token", $("token").value.trim());
    $("token").value = "";
    loadModels();
  });
}

listenToSlider();
listenToPictures();
listenToChoices();
loadModels();
