"use strict";
// Sorting, filtering and downloading tables, and the interactive plot. Text is always inserted as text, never as HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 72, RIGHT = 24, TOP = 16, BOTTOM = 52; // margins of the plot, in pixels
const NAMES = { logloss: "test LogLoss (lower is better)", auc: "test AUC (higher is better)" };

function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function short(value) {
  if (value === null) return "unknown";
  if (value === 0) return "0";
  for (const [size, prefix] of [[1e18, " E"], [1e15, " P"], [1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""], [1e-3, " m"], [1e-6, " µ"], [1e-9, " n"]])
    if (value >= size * 0.9995) return `${+(value / size).toPrecision(3)}${prefix}`;
  return value.toExponential(1);
}

function withInterval(point, metric) {
  const half = point[`${metric}_half`];
  return point[metric].toFixed(4) + (half === null ? "" : ` ± ${half.toFixed(4)}`);
}

// Tables

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], first = [...body.rows];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const following = { ascending: "descending", descending: "" };
    const next = head.getAttribute("aria-sort") === null ? "ascending" : following[head.getAttribute("aria-sort")];
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    if (next) head.setAttribute("aria-sort", next);
    const rows = next ? [...first].sort((a, b) => compare(a.cells[column], b.cells[column], next === "ascending" ? 1 : -1)) : first;
    table.classList.toggle("sorted", Boolean(next));
    rows.forEach((row) => { row.classList.toggle("group", !next && row.dataset.group === "1"); body.append(row); });
  }));
  first.forEach((row) => { if (row.classList.contains("group")) row.dataset.group = "1"; });
}

function compare(a, b, sign) {
  const [x, y] = [a.dataset.value, b.dataset.value];
  if (x === undefined || y === undefined) return (x === undefined) - (y === undefined); // empty cells last in both directions
  const [m, n] = [Number(x), Number(y)];
  return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
}

// Hides the rows that lack a word of the filter or name a model that is not checked.
function choose(table, data) {
  const words = toolsOf(table).querySelector(".filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const titles = new Set([...data.hidden].map((model) => data.looks[model].title));
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word)) || [...row.cells].some((cell) => titles.has(cell.dataset.value));
  }
}

function toolsOf(table) {
  return table.closest(".wide").previousElementSibling;
}

// Marks on which sides a table goes on beyond its frame.
function cue(wide) {
  const scroll = wide.querySelector(".scroll"), mark = () => {
    const rest = scroll.scrollWidth - scroll.clientWidth;
    wide.classList.toggle("overflows", rest > 1);
    wide.classList.toggle("left", scroll.scrollLeft > 1);
    wide.classList.toggle("right", scroll.scrollLeft < rest - 1);
  };
  scroll.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(scroll);
}

function downloads(button, text) {
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `${button.dataset.name}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// Plot

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high) + 1; power++)
    for (const step of [1, 2, 5]) {
      const value = step * 10 ** power;
      if (value >= low && value <= high) ticks.push(value);
    }
  return ticks.length ? ticks : [Math.sqrt(low * high)];
}

function ticks(low, high) {
  const raw = (high - low) / 7, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const values = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) values.push(value);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function draw(section, data) {
  const figure = section.querySelector(".plot"), metric = section.querySelector(".metric").value;
  const axis = section.querySelector(".cost"), cost = axis.value, costName = axis.selectedOptions[0].textContent, hidden = data.hidden;
  const WIDTH = Math.max(300, figure.clientWidth), HEIGHT = Math.round(Math.min(480, Math.max(320, WIDTH * 0.5)));
  const points = data.points.filter((p) => p[cost] && !hidden.has(p.model));
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `${NAMES[metric]} against ${costName}` });
  figure.replaceChildren(svg);
  if (!points.length) { svg.append(element("text", { x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "no points to show")); return; }
  const bounds = Object.entries(data.bounds).filter(([, values]) => values[metric] !== undefined);
  const half = (p) => p[`${metric}_half`] ?? 0;
  const ys = points.flatMap((p) => [p[metric] - half(p), p[metric] + half(p)]).concat(bounds.filter(([name]) => name === "Bayes").map(([, v]) => v[metric]));
  const xs = points.map((p) => p[cost]);
  const pad = (Math.max(...ys) - Math.min(...ys) || 0.01) * 0.06;
  const [y0, y1] = [Math.min(...ys) - pad, Math.max(...ys) + pad], [x0, x1] = [Math.min(...xs) / 1.35, Math.max(...xs) * 1.35];
  const names = Object.keys(data.looks).filter((model) => !hidden.has(model));
  const apart = cost === "flops" ? Math.min(8, WIDTH / 90) : 0; // spreads points at one budget so that intervals stay visible
  const nudge = (p) => (names.indexOf(p.model) - (names.length - 1) / 2) * apart;
  const inner = LEFT + (names.length * apart) / 2; // so that no point leaves the frame
  const x = (value) => inner + (Math.log(value / x0) / Math.log(x1 / x0)) * (WIDTH - RIGHT - 2 * inner + LEFT);
  const y = (value) => HEIGHT - BOTTOM - ((value - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  const yTicks = ticks(y0, y1);
  for (const value of yTicks.values) {
    svg.append(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }));
    svg.append(element("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(yTicks.digits)));
  }
  let last = -Infinity;
  const xTicks = cost === "flops" ? [...new Set(data.points.map((p) => p.budget * 1e6))].sort((a, b) => a - b) : logTicks(x0, x1);
  for (const value of xTicks.filter((value) => value >= x0 && value <= x1)) {
    svg.append(element("line", { x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM, class: "grid" }));
    if (x(value) - last < 60) continue;
    last = x(value);
    svg.append(element("text", { x: x(value), y: HEIGHT - BOTTOM + 20, "text-anchor": "middle" }, short(value)));
  }
  svg.append(element("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, costName));
  svg.append(element("text", { x: 16, y: (TOP + HEIGHT - BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})` }, NAMES[metric]));
  const labels = []; // of the bounds, from the bottom up; one label for lines whose labels would touch
  for (const [name, values] of bounds.sort(([, a], [, b]) => a[metric] - b[metric])) {
    const value = values[metric], at = y(value);
    if (value < y0 || value > y1) continue;
    svg.append(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: "bound" }));
    if (labels.length && labels.at(-1).at - at < 18) labels.at(-1).names.push(name);
    else labels.push({ at, names: [name] });
  }
  const front = (a, b) => data.looks[a].size - data.looks[b].size; // the largest marker, the subject's, is drawn last
  const models = [...new Set(points.map((p) => p.model))].sort(front);
  for (const model of models) {
    const own = points.filter((p) => p.model === model).sort((a, b) => a[cost] - b[cost]), look = data.looks[model];
    svg.append(element("polyline", { points: own.map((p) => `${x(p[cost]) + nudge(p)},${y(p[metric])}`).join(" "), fill: "none", stroke: look.color, "stroke-width": 1.6 * look.width }));
    for (const p of own) {
      if (half(p)) svg.append(element("line", { x1: x(p[cost]) + nudge(p), x2: x(p[cost]) + nudge(p), y1: y(p[metric] - half(p)), y2: y(p[metric] + half(p)), stroke: look.color, "stroke-width": 1.4 * look.width }));
    }
  }
  for (const { at, names } of labels) svg.append(element("text", { x: WIDTH - RIGHT, y: at - 5, "text-anchor": "end", class: "label" }, names.join(", ")));
  const shown = points.slice().sort((a, b) => a[cost] - b[cost] || a[metric] - b[metric]);
  const marks = shown.map((p) => {
    const look = data.looks[p.model];
    const mark = element("path", { d: look.path, transform: `translate(${x(p[cost]) + nudge(p)} ${y(p[metric])}) scale(${11 * look.size})`, fill: look.color,
      "stroke-width": 1, "vector-effect": "non-scaling-stroke", class: "point", tabindex: -1, role: "img",
      "aria-label": `${p.title}, ${p.budget} MFLOP, ${metric} ${withInterval(p, metric)}, ${costName} ${short(p[cost])}` });
    const show = () => { data.described = p; describe(section.querySelector(".tip"), p); };
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("focus", show);
    mark.addEventListener("click", () => mark.focus());
    return svg.appendChild(mark);
  });
  marks[0].setAttribute("tabindex", 0); // one Tab stop; the arrow keys move between points
  marks.forEach((mark, i) => mark.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = marks[(i + step + marks.length) % marks.length];
    marks.forEach((other) => other.setAttribute("tabindex", other === next ? 0 : -1));
    next.focus();
  }));
}

function describe(tip, p) {
  const list = document.createElement("dl");
  const rows = { model: `${p.title}, budget ${p.budget} MFLOP`, LogLoss: withInterval(p, "logloss") + (p.logloss_letters ? ` (${p.logloss_letters})` : ""),
    AUC: withInterval(p, "auc") + (p.auc_letters ? ` (${p.auc_letters})` : ""), blocks: `${p.blocks} (${p.trials} trials, ${p.finals} final runs; ${p.failed} runs failed${p.collapsed ? `, ${p.collapsed} collapsed` : ""})`,
    "± covers": p.logloss_covers,
    "training FLOP": `${short(p.flops)} per example, ${short(p.run_compute)} in a final run, ${short(p.search_compute)} in a block's whole search`,
    "training time": p.seconds === null ? "not measured" : `${short(p.seconds)}s per example`, configuration: p.config };
  for (const [name, value] of Object.entries(rows)) {
    list.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
  }
  tip.replaceChildren(list);
}

function keys(section, data) {
  const group = section.querySelector(".keys");
  for (const [model, look] of Object.entries(data.looks)) {
    const tip = section.querySelector(".tip"), hint = tip.textContent, label = document.createElement("label"), box = document.createElement("input"), icon = element("svg", { viewBox: "-0.7 -0.7 1.4 1.4", "aria-hidden": "true" });
    box.type = "checkbox";
    box.checked = true;
    icon.append(element("path", { d: look.path, fill: look.color, transform: `scale(${Math.min(1.3, look.size)})` }));
    box.addEventListener("change", () => {
      data.hidden[box.checked ? "delete" : "add"](model);
      if (data.described && data.hidden.has(data.described.model)) tip.textContent = hint;
      draw(section, data);
      section.querySelectorAll("table[data-name]").forEach((table) => choose(table, data));
    });
    label.append(box, icon, look.title);
    group.append(label);
  }
}

// Page

async function unpack(image) {
  const bytes = Uint8Array.from(atob(image.dataset.packed), (letter) => letter.charCodeAt(0));
  image.removeAttribute("data-packed");
  const svg = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

document.querySelectorAll(".contents").forEach((contents) => { contents.open = window.innerWidth > 640; }); // a phone shows results first
document.querySelectorAll(".wide").forEach(cue);
document.querySelectorAll("details.drawn").forEach((figures) => {
  figures.addEventListener("toggle", () => figures.querySelectorAll("img[data-packed]").forEach(unpack));
});
document.querySelectorAll("section[data-section]").forEach((section) => {
  const data = DATA[section.dataset.section];
  data.hidden = new Set();
  section.querySelectorAll("table[data-name]").forEach((table) => {
    sortable(table);
    toolsOf(table).querySelector(".filter").addEventListener("input", () => choose(table, data));
    downloads(toolsOf(table).querySelector(".csv"), data.csv[table.dataset.name]);
  });
  if (!section.querySelector(".plot")) return;
  keys(section, data);
  section.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => draw(section, data)));
  draw(section, data);
  let width = window.innerWidth; // ignore changes of height alone, such as a phone's address bar
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(section, data); } });
});
