// The page of a served model. An image goes to /v1/predict as it is; what comes back is drawn over it.

const $ = (id) => document.getElementById(id);
const SHOWN = 10; // classes that are listed
const PARTS = [document.querySelector("main"), document.querySelector("footer")];

// What makes the decision, by the strategy that the model was trained with.
const DECIDES = {
  average: "The average of the votes", majority: "The majority", product: "The product of the votes",
  coarse: "The coarse net", coherent: "The dense net", transfer: "The dense net",
};

let model, token = "";
let shown = null; // {picture: {blob, bitmap, sample}, missing, found, whole}; whole: what is decided with every box there
let wanted = null; // the same, as it was asked for last: what is refused is not shown
let turn = 0; // of all that waits for something: what an earlier one brings is too late

// --- asking ---

class Wanted extends Error {}

async function ask(path, body) {
  if (!/^[\x21-\x7e]*$/.test(token)) throw new Wanted(); // no token has other letters, and no header may
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { method: body ? "POST" : "GET", body, headers }).catch(() => {
    throw new Error("The server does not answer. Is it still running?");
  });
  if (answer.status === 401) throw new Wanted();
  const told = await answer.json().catch(() => ({ error: `The server answered ${answer.status}, and not as it should.` }));
  if (!answer.ok || told.error) throw new Error(told.error);
  return told;
}

async function begin(name) {
  const mine = ++turn, guarded = !$("guard").hidden;
  try {
    const { models } = await ask("v1/models");
    if (mine !== turn) return;
    $("others").hidden = models.length < 2;
    $("which").replaceChildren(...models.map((each) => new Option(each)));
    $("which").value = name ?? models[0];
    const chosen = await ask(`v1/models/${$("which").value}`);
    if (mine !== turn) return;
    const before = model?.name === chosen.name && model.version !== chosen.version ? model.version : null;
    model = { ...chosen, before };
  } catch (fault) {
    if (mine !== turn) return;
    for (const part of PARTS) part.hidden = true; // what they show is another model's
    $("name").textContent = $("which").value || "A model";
    $("about").textContent = "";
    return tell(fault);
  }
  const kept = shown?.picture;
  shown = wanted = null;
  tell(null);
  describe();
  if (guarded) $("file").focus();
  if (model.samples.length && (!kept || kept.sample)) await choose(sample(model.samples[0]));
  else if (kept) await choose(kept);
}

async function predict(asked) {
  const mine = ++turn, off = [...asked.missing].sort((a, b) => a - b);
  wanted = asked;
  try {
    const found = await ask(`v1/models/${model.name}/predict${off.length ? `?missing=${off}` : ""}`, asked.picture.blob);
    if (mine !== turn) return;
    if (found.model_version !== model.version) return begin(model.name); // another champion: cut and named otherwise
    shown = wanted = { ...asked, found, whole: off.length ? asked.whole : found };
    tell(null);
    show();
  } catch (fault) {
    if (mine !== turn) return;
    wanted = shown;
    tell(fault);
  }
}

function tell(fault) {
  if (!fault || fault instanceof Wanted) $("guard").hidden = !fault;
  const said = fault instanceof Wanted ? token && "This is not its token." : fault?.message;
  $("fault").hidden = !said;
  $("fault").textContent = said ?? "";
  if (fault instanceof Wanted) $("token").focus();
}

// --- the image ---

function sample(given) {
  const bytes = Uint8Array.from(atob(given.png), (letter) => letter.charCodeAt(0));
  return { blob: new Blob([bytes], { type: "image/png" }), sample: given };
}

async function choose(picture) {
  const mine = ++turn;
  try {
    picture.bitmap ??= await createImageBitmap(picture.blob);
  } catch {
    if (mine === turn) tell(new Error("This file is no image that can be read. Choose a PNG or a JPEG."));
    return;
  }
  if (mine === turn) await predict({ picture, missing: new Set() });
}

function draw() {
  const { bitmap } = shown.picture, { width, height } = model, context = $("picture").getContext("2d");
  const scale = Math.min(bitmap.width / width, bitmap.height / height);
  const [w, h] = [width * scale, height * scale];
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // what is transparent becomes white, as for the model
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, width, height);
  $("picture").style.filter = model.blank.length === 1 ? "grayscale(1)" : "";
  const [red, green = red, blue = red] = model.blank;
  context.fillStyle = `rgb(${red} ${green} ${blue})`;
  for (const k of shown.missing) {
    const [[top, bottom], [left, right]] = model.boxes[k];
    context.fillRect(left, top, right - left, bottom - top);
  }
}

// --- what is shown ---

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function describe() {
  const { name, version, before, width, height, classes, boxes, strategy } = model;
  document.title = `${name} · Schwarz`;
  $("name").textContent = name;
  const cut = boxes.length > 1 ? `, cut into ${boxes.length} boxes` : "";
  $("about").textContent =
    `Version ${version}, ${strategy}: one of ${classes.length} classes for an image of ${width} x ${height} pixels${cut}.`
    + (before ? ` It has just taken the place of version ${before}.` : "");
  const header = token ? '-H "Authorization: Bearer $SCHWARZ_SERVE_TOKEN" ' : "";
  $("command").textContent = `curl ${header}--data-binary @picture.png ${new URL(`v1/models/${name}/predict`, location.href)}`;
  Object.assign($("picture"), { width, height });

  const area = ([[top, bottom], [left, right]]) => (bottom - top) * (right - left);
  const largest = Math.max(...boxes.map(area));
  $("boxes").replaceChildren(...boxes.map((box, k) => {
    const [[top, bottom], [left, right]] = box, button = make("button", "", { "aria-pressed": true });
    const shares = { left: left / width, top: top / height, width: (right - left) / width, height: (bottom - top) / height };
    for (const [side, share] of Object.entries(shares)) button.style[side] = `${100 * share}%`;
    button.style.zIndex = Math.round(1000 * (1 - area(box) / largest)); // of two that overlap the smaller one lies above
    button.append(make("span"));
    button.addEventListener("click", () => toggle(k));
    return button;
  }));
  $("boxes").classList.toggle("many", boxes.length > 9);
  $("boxes").hidden = boxes.length < 2;
  $("samples").replaceChildren(...model.samples.map((each) => {
    const attributes = { "aria-pressed": false, "aria-label": `Sample: ${each.class}`, title: each.class };
    const button = make("button", "", attributes);
    button.append(Object.assign(new Image(), { src: `data:image/png;base64,${each.png}`, alt: "" }));
    button.addEventListener("click", () => choose(sample(each)));
    return button;
  }));
  for (const part of PARTS) part.hidden = false;
  $("found").hidden = true;
  $("empty").hidden = false;
  $("votes").hidden = !model.votes;
}

function toggle(k) {
  if (!wanted) return;
  const missing = new Set(wanted.missing);
  if (!missing.delete(k)) missing.add(k);
  predict({ ...wanted, missing });
}

function show() {
  const { picture, missing, found, whole } = shown;
  draw();
  $("empty").hidden = true;
  $("found").hidden = false;
  $("all").hidden = !missing.size;
  $("hint").hidden = missing.size > 0 || model.boxes.length < 2;
  $("samples").childNodes.forEach((each, k) => each.setAttribute("aria-pressed", model.samples[k] === picture.sample));
  $("decision").replaceChildren(make("b", found.class), ` ${percent(found.probability)}`);
  const truth = picture.sample ? `The sample is labelled ${picture.sample.class}. ` : "";
  $("compared").textContent = truth + (missing.size && whole
    ? `With all boxes: ${whole.class} ${percent(whole.probability)}.` : "");
  $("picture").setAttribute("aria-label", `The image, ${model.width} x ${model.height} pixels: ${found.class}`);
  list();
  label();
  if (found.boxes) table();
}

function list() {
  const { found, missing, whole } = shown;
  $("classes").replaceChildren(...surest(found.probabilities).map((c) => {
    const row = make("li"), bar = make("i", "", { "aria-hidden": true });
    bar.style.setProperty("--p", found.probabilities[c]);
    if (missing.size && whole) bar.style.setProperty("--was", whole.probabilities[c]);
    row.append(make("span", found.classes[c]), bar, make("span", percent(found.probabilities[c])));
    return row;
  }));
  $("more").textContent = found.classes.length > SHOWN ? `The likeliest ${SHOWN} of ${found.classes.length} classes.` : "";
}

function label() {
  const { found, missing } = shown;
  [...$("boxes").children].forEach((button, k) => {
    const on = !missing.has(k), vote = found.boxes && found.boxes[k];
    const says = !on ? "off" : vote ? `${vote.class} ${percent(vote.probability)}` : "";
    button.firstChild.textContent = says || `${k}`;
    button.title = `Box ${k}${says && `: ${says}`}. Click to switch it ${on ? "off" : "on"}.`;
    button.setAttribute("aria-label", `Box ${k}${on && says ? `: ${says}` : ""}`);
    button.setAttribute("aria-pressed", on);
    button.classList.toggle("against", Boolean(on && vote && vote.class !== found.class));
  });
}

// A box that is off has a vote too: what its network says to nothing. It counts as the others do, here and in the model.
function table() {
  const { found, missing } = shown, votes = found.boxes;
  const there = votes.filter((_, k) => !missing.has(k));
  const named = there.filter((vote) => vote.class === found.class).length;
  const mean = found.classes.map((_, c) => votes.reduce((sum, vote) => sum + vote.probabilities[c], 0) / votes.length);
  const off = missing.size ? ` What is off says what it says to nothing.` : "";
  $("tally").textContent =
    `${named} of ${there.length} boxes say ${found.class}.${off} ` +
    `The average of all: ${found.classes[surest(mean)[0]]} ${percent(Math.max(...mean))}. ` +
    `${DECIDES[model.strategy] ?? "The model"} makes of them: ${found.class} ${percent(found.probability)}.`;

  const columns = votes.map((vote, k) => ({
    name: `box ${k}`, values: vote.probabilities, kind: missing.has(k) ? "off" : "",
  }));
  columns.push({ name: "average", values: mean, kind: "whole" }, { name: "decision", values: found.probabilities, kind: "whole" });
  const head = make("tr");
  head.append(make("th"), ...columns.map(({ name, kind }) => make("th", kind === "off" ? `${name}, off` : name, { scope: "col", class: kind })));
  const highest = found.classes.map((_, c) => Math.max(...columns.map(({ values }) => values[c])) + found.probabilities[c]);
  const rows = surest(highest).map((c) => {
    const row = make("tr");
    row.append(make("th", found.classes[c], { scope: "row", title: found.classes[c] }), ...columns.map(({ values, kind }) => {
      const cell = make("td", values[c].toFixed(2), { class: kind });
      cell.style.setProperty("--p", values[c]);
      return cell;
    }));
    return row;
  });
  const parts = [make("thead"), make("tbody")];
  parts[0].append(head);
  parts[1].append(...rows);
  document.querySelector("table").replaceChildren(...parts);
}

const percent = (p) => `${(100 * p).toFixed(p > 0.995 && p < 0.9995 ? 1 : 0)} %`;
const surest = (values) => values.map((_, c) => c).sort((a, b) => values[b] - values[a]).slice(0, SHOWN);

// --- what people do ---

const take = (files) => [...files].slice(0, 1).forEach((blob) => model && choose({ blob }));
$("file").addEventListener("change", ({ target }) => {
  take(target.files);
  target.value = ""; // the same file may be chosen again
});
$("which").addEventListener("change", (event) => begin(event.target.value));
$("all").addEventListener("click", () => {
  predict({ ...wanted, missing: new Set() });
  $("boxes").firstChild.focus(); // the button goes away
});
$("guard").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  begin(model?.name);
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("stage").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}

begin();
