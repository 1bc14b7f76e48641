// The page of `btfgen report`: a map of areas and three tables, from the JSON in #data. Names come from files and go to the page as
// text only. The shape of the data is described in report/mod.rs, which writes it.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** An element with attributes, and with children that are elements or text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const count = (n) => n.toLocaleString("en");
function bytes(n) {
  if (n < 1e4) return `${count(n)} bytes`;
  return n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(2)} MB`;
}
function percent(part, whole) {
  const share = whole > 0 ? (100 * part) / whole : 0;
  return share > 0 && share < 0.1 ? "less than 0.1 %" : `${share.toFixed(1)} %`;
}

// ---------------------------------------------------------------------------------------------------------------- The map
// A node is {name, bytes, redundant, excess, children, parent, file}: a folder, a file, or what a file's bytes are for. Of a file, excess is
// what it has beyond the bytes that btfgen would write; what its kinds have of that is not known, and shared out.

function tree() {
  const root = { name: "all", bytes: 0, redundant: 0, excess: 0, children: new Map(), parent: null };
  const below = (parent, name) => {
    if (!parent.children.has(name)) parent.children.set(name, { name, bytes: 0, redundant: 0, excess: 0, children: new Map(), parent });
    return parent.children.get(name);
  };
  data.files.forEach((file, number) => {
    let node = root;
    const way = [root];
    // No name of a file is empty, so those of kinds below it cannot be in its folder.
    for (const part of file.path.split("/")) way.push((node = below(node, part)));
    node.file = number;
    for (const [kind, , size, redundant] of file.kinds) {
      const leaf = below(node, data.kinds[kind]);
      leaf.bytes += size;
      leaf.redundant += redundant;
    }
    below(node, "strings").bytes += file.strings;
    below(node, "header").bytes += file.bytes - file.strings - file.type_bytes;
    const excess = file.written === null ? 0 : Math.max(0, file.bytes - file.written);
    for (const leaf of node.children.values()) leaf.excess = (excess * leaf.bytes) / file.bytes;
    for (const one of way) {
      one.bytes += file.bytes;
      one.redundant += file.redundant_bytes;
      one.excess += excess;
    }
  });
  const sort = (node) => {
    node.children = [...node.children.values()].filter((child) => child.bytes > 0);
    node.children.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
    node.children.forEach(sort);
  };
  sort(root);
  return root;
}

/** Squarified treemap (Bruls, Huizing, van Wijk 2000): nodes, largest first, as [node, x, y, width, height] that fill a rectangle. */
function layOut(nodes, x, y, width, height) {
  const placed = [];
  let rest = nodes.reduce((sum, node) => sum + node.bytes, 0);
  let start = 0;
  while (start < nodes.length && width > 0 && height > 0) {
    const short = Math.min(width, height);
    const scale = (width * height) / rest;
    // How far from a square the worst of a row is.
    const worst = (sum, least, most) => Math.max((short * short * most) / (sum * sum * scale), (sum * sum * scale) / (short * short * least));
    let end = start + 1;
    let sum = nodes[start].bytes;
    while (end < nodes.length) {
      const more = sum + nodes[end].bytes;
      if (worst(more, nodes[end].bytes, nodes[start].bytes) > worst(sum, nodes[end - 1].bytes, nodes[start].bytes)) break;
      sum = more;
      end += 1;
    }
    const thick = (sum * scale) / short;
    let at = 0;
    for (const node of nodes.slice(start, end)) {
      const long = (node.bytes * scale) / thick;
      placed.push(width >= height ? [node, x, y + at, thick, long] : [node, x + at, y, long, thick]);
      at += long;
    }
    if (width >= height) [x, width] = [x + thick, width - thick];
    else [y, height] = [y + thick, height - thick];
    rest -= sum;
    start = end;
  }
  return placed;
}

const root = tree();
let place = root;
let areas = [];
let wanted = "";

const measure = byId("measure");
if (!data.files.some((file) => file.written !== null)) measure.value = "redundant";
const color = (node) => `color-mix(in oklab, var(--warm) ${((100 * node[measure.value]) / node.bytes).toFixed(0)}%, var(--cool))`;
const matches = (node) => node.file !== undefined && data.files[node.file].path.toLowerCase().includes(wanted);
const hasMatch = (node) => matches(node) || node.children.some(hasMatch);
const inMatch = (node) => node !== null && (matches(node) || inMatch(node.parent));

function describe(node) {
  let text = `${node.name}: ${bytes(node.bytes)}, ${percent(node.bytes, root.bytes)} of all; ${percent(node.redundant, node.bytes)} redundant`;
  if (node.file !== undefined) {
    const file = data.files[node.file];
    text += `; ${count(file.types)} types, ${count(file.redefined)} redefined`;
    text += file.written === null ? "" : `; ${bytes(file.written)} as btfgen writes it`;
  }
  return text;
}

function draw(focused) {
  const map = byId("map");
  const [width, height] = [map.clientWidth, map.clientHeight];
  const title = 20;
  const share = (value, of) => `${((100 * value) / of).toFixed(4)}%`;
  areas = layOut(place.children, 0, 0, width, height).map(([node, x, y, w, h]) => {
    const kind = node.children.length ? "area" : "area leaf";
    const dim = wanted && hasMatch(root) && !hasMatch(node) && !inMatch(node) ? " dim" : "";
    const button = element("button", { type: "button", class: kind + dim, tabindex: "-1", "aria-label": describe(node) });
    Object.assign(button.style, { left: share(x, width), top: share(y, height), width: share(w, width), height: share(h, height), background: color(node) });
    if (w > 40 && h > 16) button.append(element("span", { class: "name", "aria-hidden": "true" }, node.name));
    if (w > 60 && h > 60) {
      for (const [inner, ix, iy, iw, ih] of layOut(node.children, 2, title, w - 6, h - title - 4)) {
        if (iw < 3 || ih < 3) continue;
        const area = element("span", { class: "inner", "aria-hidden": "true" });
        if (iw > 48 && ih > 16) area.append(inner.name);
        Object.assign(area.style, { left: `${ix}px`, top: `${iy}px`, width: `${iw}px`, height: `${ih}px`, background: color(inner) });
        button.append(area);
      }
    }
    button.addEventListener("click", () => enter(node));
    button.addEventListener("focus", () => choose(node));
    button.addEventListener("mouseenter", () => (byId("about").textContent = describe(node)));
    return { node, button, x: x + w / 2, y: y + h / 2 };
  });
  map.replaceChildren(...areas.map((area) => area.button));
  const path = [];
  for (let node = place; node; node = node.parent) path.unshift(node);
  byId("path").replaceChildren(
    ...path.flatMap((node, i) => {
      const last = i + 1 === path.length;
      const name = last ? element("span", { "aria-current": "true" }, node.name) : element("button", { type: "button", onclick: () => go(node, path[i + 1]) }, node.name);
      return i ? [" / ", name] : [name];
    }),
  );
  const first = areas.find((area) => area.node === focused) ?? areas[0];
  if (first) first.button.tabIndex = 0;
  byId("about").textContent = describe(place);
}

/** Of the areas one can be reached by Tab, and the others from it by arrows. */
function choose(node) {
  for (const area of areas) area.button.tabIndex = area.node === node ? 0 : -1;
  byId("about").textContent = describe(node);
}
function go(node, focused) {
  place = node;
  draw(focused);
  (areas.find((area) => area.node === focused) ?? areas[0])?.button.focus();
}
function enter(node) {
  if (node.children.length) go(node, node.children[0]);
}

byId("map").addEventListener("keydown", (event) => {
  const here = areas.find((area) => area.button === document.activeElement);
  if (!here || event.ctrlKey || event.altKey || event.metaKey) return;
  const towards = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  let next;
  if (towards) {
    // The nearest one in that direction; what lies aside counts double.
    const distance = (area) => {
      const [dx, dy] = [area.x - here.x, area.y - here.y];
      const ahead = dx * towards[0] + dy * towards[1];
      return ahead <= 1 ? Infinity : ahead + 2 * Math.abs(dx * towards[1] + dy * towards[0]);
    };
    next = areas.reduce((best, area) => (distance(area) < distance(best) ? area : best), here);
  } else if (event.key === "Home") next = areas[0];
  else if (event.key === "End") next = areas[areas.length - 1];
  else if (event.key === "Escape" || event.key === "Backspace") {
    if (place.parent) go(place.parent, place);
  } else return;
  event.preventDefault();
  next?.button.focus();
});
const redraw = () => draw(areas.find((area) => area.button.tabIndex === 0)?.node);
addEventListener("resize", redraw);
measure.addEventListener("change", redraw);

// ------------------------------------------------------------------------------------------------------------- The tables

/**
 * A table in `host` of the rows that match the search. A column is {title, value(row), show(row)?, number?}; rows are found by
 * text(row), in lower case. So many rows are shown at first, the others on demand.
 */
class Table {
  static SHOWN = 100;

  constructor(host, what, columns, rows, text) {
    Object.assign(this, { host, what, columns, rows, text, all: false, sorted: columns.findIndex((column) => column.number), down: true });
    this.head = columns.map((column, i) =>
      element("th", { scope: "col", class: column.number ? "number" : "" }, element("button", { type: "button", onclick: () => this.sort(i) }, column.title)),
    );
    this.caption = element("caption");
    this.body = element("tbody");
    this.more = element("button", { type: "button", class: "more", onclick: () => this.showAll() });
    const table = element("table", {}, this.caption, element("thead", {}, element("tr", {}, ...this.head)), this.body);
    host.replaceChildren(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": what }, table), this.more);
  }

  sort(column) {
    this.down = this.sorted === column ? !this.down : Boolean(this.columns[column].number);
    this.sorted = column;
    this.draw();
  }

  showAll() {
    this.all = true;
    this.draw();
  }

  /** Draws what matches; returns how many do. */
  draw() {
    const { value } = this.columns[this.sorted];
    const found = this.rows.filter((row) => !wanted || this.text(row).includes(wanted));
    const sign = this.down ? -1 : 1;
    found.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
    this.head.forEach((th, i) => {
      if (i === this.sorted) th.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    const shown = this.all ? found : found.slice(0, Table.SHOWN);
    const cell = (column, row, i) => element(i ? "td" : "th", { class: column.number ? "number" : i ? "" : "name", ...(i ? {} : { scope: "row" }) }, column.show ? column.show(row) : column.number ? count(column.value(row)) : column.value(row));
    this.body.replaceChildren(...shown.map((row) => element("tr", {}, ...this.columns.map((column, i) => cell(column, row, i)))));
    this.caption.textContent = `${count(found.length)} ${this.what}${wanted ? ` of ${count(this.rows.length)}` : ""}`;
    this.more.hidden = shown.length === found.length;
    this.more.textContent = `Show all ${count(found.length)}`;
    return found.length;
  }
}

const optional = (value) => (value === null ? "–" : count(value));
const files = new Table(
  byId("files"),
  "files",
  [
    { title: "File", value: (file) => file.path },
    { title: "Bytes", number: true, value: (file) => file.bytes },
    { title: "As btfgen writes it", number: true, value: (file) => file.written ?? -1, show: (file) => optional(file.written) },
    { title: "Types", number: true, value: (file) => file.types },
    { title: "Redundant types", number: true, value: (file) => file.redundant },
    { title: "Their bytes", number: true, value: (file) => file.redundant_bytes },
    { title: "Redefined", number: true, value: (file) => file.redefined },
    { title: "Of the base used", number: true, value: (file) => file.used ?? -1, show: (file) => optional(file.used) },
    { title: "Functions left out", number: true, value: (file) => file.left_out ?? -1, show: (file) => optional(file.left_out) },
  ],
  data.files,
  (file) => file.path.toLowerCase(),
);

/** How many files, with a list that is made when it is opened. */
function inFiles(numbers) {
  const details = element("details", {}, element("summary", {}, count(numbers.length)));
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("ul")) {
      details.append(element("ul", {}, ...numbers.map((number) => element("li", {}, data.files[number].path))));
    }
  });
  return details;
}
const types = new Table(
  byId("types"),
  "types",
  [
    { title: "Type", value: (type) => type.name, show: (type) => `${type.kind.toLowerCase()} ${type.name}` },
    { title: "Files", number: true, value: (type) => type.files.length, show: (type) => inFiles(type.files) },
    { title: "Bytes", number: true, value: (type) => type.bytes },
    { title: "Beside the base's", value: (type) => (type.differs ? "different" : "the same") },
  ],
  data.types,
  (type) => `${type.kind} ${type.name}`.toLowerCase(),
);

const left = data.functions.flatMap(([file, reason, names]) => names.map((name) => ({ name, file: data.files[file].path, reason: data.reasons[reason] })));
const functions = new Table(
  byId("functions"),
  "functions",
  [
    { title: "Function", value: (one) => one.name },
    { title: "File", value: (one) => one.file },
    { title: "Why", value: (one) => one.reason },
  ],
  left,
  (one) => `${one.name} ${one.file}`.toLowerCase(),
);
functions.sorted = 0;
functions.down = false;

const reasons = new Map();
left.forEach((one) => reasons.set(one.reason, (reasons.get(one.reason) ?? 0) + 1));
if (left.length) {
  const rows = [...reasons].sort((a, b) => b[1] - a[1]);
  const line = ([reason, n]) => element("tr", {}, element("th", { scope: "row" }, reason), element("td", { class: "number" }, count(n)));
  byId("reasons").append(element("div", { class: "scroll" }, element("table", {}, element("caption", {}, "By reason"), element("tbody", {}, ...rows.map(line)))));
}
const notes = (host, heading, list) => {
  if (list.length) host.append(element("details", {}, element("summary", {}, heading), element("ul", {}, ...list.map(([path, text]) => element("li", {}, `${path}: ${text}`)))));
};
notes(byId("unknown"), `Not known for ${count(data.unknown.length)} files`, data.unknown.map(([file, why]) => [data.files[file].path, why]));
notes(byId("failures"), `${count(data.failures.length)} files could not be read`, data.failures);

// ------------------------------------------------------------------------------------------------------------- The search

function search() {
  wanted = byId("search").value.trim().toLowerCase();
  redraw();
  const found = [files, types, functions].map((table) => table.draw());
  byId("hits").textContent = wanted ? `${count(found[0])} files, ${count(found[1])} types, ${count(found[2])} functions` : "";
}
byId("search").addEventListener("input", search);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== byId("search") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("search").focus();
  }
});
search();
