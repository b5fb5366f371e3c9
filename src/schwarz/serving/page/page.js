// The page of a served model. An image goes to /v1/predict as it is; what comes back is drawn over it.

const $ = (id) => document.getElementById(id);
const SHOWN = 8; // classes that are listed

// What makes the decision, by the strategy that the model was trained with.
const DECIDES = {
  average: "The average of the votes", majority: "The majority", product: "The product of the votes",
  coarse: "The coarse net", coherent: "The dense net", transfer: "The dense net",
};

let model, token = "";
let picture = null; // {blob, bitmap, sample}
let missing = new Set();
let whole = null; // what is decided with every box there
let asked = 0; // the last request: what an earlier one answers is too late

// --- asking ---

async function ask(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", body, headers });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (answer.status === 401) throw new Wanted();
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

class Wanted extends Error {}

async function begin(name) {
  try {
    const { models } = await ask("v1/models");
    $("others").hidden = models.length < 2;
    $("which").replaceChildren(...models.map((each) => new Option(each)));
    $("which").value = name ?? models[0];
    model = await ask(`v1/models/${$("which").value}`);
  } catch (fault) {
    document.querySelector("main").hidden = true; // what it shows is another model's
    return tell(fault);
  }
  tell(null);
  describe();
  if (picture && picture.sample === undefined) await choose(picture);
  else if (model.samples.length) await choose(await sample(0));
}

async function predict() {
  const mine = ++asked, off = [...missing].sort((a, b) => a - b);
  try {
    const found = await ask(`v1/models/${model.name}/predict${off.length ? `?missing=${off}` : ""}`, picture.blob);
    if (mine !== asked) return;
    if (found.model_version !== model.version) return begin(model.name); // another champion: it may be cut and named otherwise
    if (!off.length) whole = found;
    tell(null);
    show(found);
  } catch (fault) {
    if (mine === asked) tell(fault);
  }
}

function tell(fault) {
  $("guard").hidden = !(fault instanceof Wanted);
  $("fault").hidden = !fault || fault instanceof Wanted;
  $("fault").textContent = fault ? fault.message : "";
  if (fault instanceof Wanted) $("token").focus();
}

// --- the image ---

async function sample(k) {
  const bytes = Uint8Array.from(atob(model.samples[k].png), (letter) => letter.charCodeAt(0));
  return { blob: new Blob([bytes], { type: "image/png" }), sample: k };
}

async function choose(given) {
  try {
    given.bitmap = await createImageBitmap(given.blob);
  } catch {
    return tell(new Error("This file is no image that can be read. Choose a PNG or a JPEG."));
  }
  picture = given;
  missing = new Set();
  whole = null;
  $("empty").hidden = true;
  $("samples").childNodes.forEach((each, k) => each.setAttribute("aria-pressed", k === given.sample));
  await predict();
}

function draw() {
  const { bitmap } = picture, { width, height } = model, context = $("picture").getContext("2d");
  const scale = Math.min(bitmap.width / width, bitmap.height / height);
  const [w, h] = [width * scale, height * scale];
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // what is transparent becomes white, as for the model
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, width, height);
  if (model.blank.length === 1) context.canvas.style.filter = "grayscale(1)";
  const [red, green = red, blue = red] = model.blank;
  context.fillStyle = `rgb(${red} ${green} ${blue})`;
  for (const k of missing) {
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
  const { name, version, width, height, classes, boxes, strategy } = model;
  document.title = `${name} · Schwarz`;
  $("name").textContent = name;
  const cut = boxes.length > 1 ? `, cut into ${boxes.length} boxes` : "";
  $("about").textContent =
    `Version ${version}, ${strategy}: one of ${classes.length} classes for an image of ${width} x ${height} pixels${cut}.`;
  $("command").textContent = `curl --data-binary @picture.png ${new URL(`v1/models/${name}/predict`, location.href)}`;
  Object.assign($("picture"), { width, height });

  const area = ([[top, bottom], [left, right]]) => (bottom - top) * (right - left);
  const largest = Math.max(...boxes.map(area));
  $("boxes").replaceChildren(...boxes.map((box, k) => {
    const [[top, bottom], [left, right]] = box, button = make("button", "", { "aria-pressed": true });
    const percent = { left: left / width, top: top / height, width: (right - left) / width, height: (bottom - top) / height };
    for (const [side, share] of Object.entries(percent)) button.style[side] = `${100 * share}%`;
    button.style.zIndex = Math.round(1000 * (1 - area(box) / largest)); // of two that overlap the smaller one lies above
    button.append(make("span"));
    button.addEventListener("click", () => toggle(k));
    return button;
  }));
  $("boxes").classList.toggle("many", boxes.length > 9);
  $("boxes").hidden = boxes.length < 2;
  $("samples").replaceChildren(...model.samples.map(({ class: label, png }, k) => {
    const button = make("button", "", { "aria-pressed": false, "aria-label": `Sample: ${label}`, title: label });
    button.append(Object.assign(new Image(), { src: `data:image/png;base64,${png}`, alt: "" }));
    button.addEventListener("click", async () => choose(await sample(k)));
    return button;
  }));
  document.querySelector("main").hidden = document.querySelector("footer").hidden = false;
  $("votes").hidden = !model.votes;
}

function toggle(k) {
  if (!missing.delete(k)) missing.add(k);
  predict();
}

function show(found) {
  draw();
  $("found").hidden = false;
  $("all").hidden = !missing.size;
  $("hint").hidden = missing.size > 0 || model.boxes.length < 2;
  $("decision").replaceChildren(make("b", found.class), ` ${percent(found.probability)}`);
  const truth = picture.sample === undefined ? "" : `The sample is labelled ${model.samples[picture.sample].class}. `;
  $("compared").textContent = truth + (missing.size && whole
    ? `With all boxes: ${whole.class} ${percent(whole.probability)}.` : "");
  $("picture").setAttribute("aria-label", `The image, ${model.width} x ${model.height} pixels: ${found.class}`);
  list(found);
  label(found);
  if (found.boxes) table(found);
}

function list(found) {
  $("classes").replaceChildren(...surest(found.probabilities).map((c) => {
    const row = make("li"), bar = make("i", "", { "aria-hidden": true });
    bar.style.setProperty("--p", found.probabilities[c]);
    if (missing.size && whole) bar.style.setProperty("--was", whole.probabilities[c]);
    row.append(make("span", found.classes[c]), bar, make("span", percent(found.probabilities[c])));
    return row;
  }));
}

function label(found) {
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

function table(found) {
  const there = found.boxes.map((_, k) => k).filter((k) => !missing.has(k));
  const named = there.filter((k) => found.boxes[k].class === found.class).length;
  const mean = found.classes.map((_, c) => there.reduce((sum, k) => sum + found.boxes[k].probabilities[c], 0) / there.length);
  const decides = DECIDES[model.strategy] ?? "The model";
  $("tally").textContent = there.length
    ? `${named} of ${there.length} boxes say ${found.class}. Their average: ${found.classes[surest(mean)[0]]} ` +
      `${percent(Math.max(...mean))}. ${decides} makes of them: ${found.class} ${percent(found.probability)}.`
    : `No box is there. ${decides} makes of that: ${found.class} ${percent(found.probability)}.`;

  const columns = found.boxes.map((vote, k) => ({ head: `box ${k}`, values: missing.has(k) ? null : vote.probabilities }));
  columns.push({ head: "average", values: there.length ? mean : null, kind: "whole" });
  columns.push({ head: "decision", values: found.probabilities, kind: "whole" });
  const head = make("tr");
  head.append(make("th"), ...columns.map(({ head, kind = "" }) => make("th", head, { scope: "col", class: kind })));
  const rows = surest(found.probabilities.map((p, c) => p + Math.max(0, ...there.map((k) => found.boxes[k].probabilities[c]))));
  const body = rows.map((c) => {
    const row = make("tr");
    row.append(make("th", found.classes[c], { scope: "row", title: found.classes[c] }), ...columns.map(({ values, kind = "" }) => {
      const cell = make("td", values ? values[c].toFixed(2) : "off", { class: values ? kind : `off ${kind}` });
      cell.style.setProperty("--p", values ? values[c] : 0);
      return cell;
    }));
    return row;
  });
  const whole = [make("thead"), make("tbody")];
  whole[0].append(head);
  whole[1].append(...body);
  document.querySelector("table").replaceChildren(...whole);
}

const percent = (p) => `${(100 * p).toFixed(p > 0.995 && p < 1 ? 1 : 0)} %`;
const surest = (values) => values.map((_, c) => c).sort((a, b) => values[b] - values[a]).slice(0, SHOWN);

// --- what people do ---

const take = (files) => [...files].slice(0, 1).forEach((blob) => model && choose({ blob }));
$("file").addEventListener("change", (event) => take(event.target.files));
$("which").addEventListener("change", (event) => begin(event.target.value));
$("all").addEventListener("click", () => { missing.clear(); predict(); });
$("guard").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  begin();
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
