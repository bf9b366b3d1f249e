"use strict";
// Which cards are shown, and in what order: search, filters, sort, and the URL's hash.

const grid = document.getElementById("grid");
const search = document.getElementById("search");
const sort = document.getElementById("sort");
const filters = [...document.querySelectorAll("[data-filter]")];
const SEARCH_DELAY = 120; // milliseconds without a key before the cards are filtered

document.documentElement.classList.add("js");

const number = text => (text === undefined ? NaN : Number(text));
const cards = [...grid.children].map((element, place) => ({
  element,
  place,
  state: element.dataset.state,
  model: element.dataset.model,
  ended: number(element.dataset.ended),
  seconds: number(element.dataset.seconds),
  credits: number(element.dataset.credits),
}));
const cardOf = new Map(cards.map(card => [card.element, card]));
let inOrder = cards;
let view = { state: "", model: "", q: "", sort: "" };
let sortedBy = "";

for (const { element } of cards) element.tabIndex = 0;

function textOf(card, selector = ".prompt, .model, .file, .task code, .reason, .kind, .missing bdi") {
  return [...card.element.querySelectorAll(selector)].map(each => each.textContent).join("\n");
}

function contains(card, words) {
  if (!words.length) return true;
  card.text ??= textOf(card).toLowerCase();
  return words.every(word => card.text.includes(word));
}

// Each button counts what it would show: the other filters and the search hold for it.
function apply() {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const counted = { state: new Map(), model: new Map() };
  const count = (what, value) => {
    for (const key of [value, ""]) counted[what].set(key, (counted[what].get(key) ?? 0) + 1);
  };
  let shown = 0;
  for (const card of cards) {
    const found = contains(card, words);
    const ofState = !view.state || card.state === view.state;
    const ofModel = !view.model || card.model === view.model;
    if (found && ofModel) count("state", card.state);
    if (found && ofState) count("model", card.model);
    const hidden = !(found && ofState && ofModel);
    if (card.element.hidden !== hidden) card.element.hidden = hidden;
    if (!hidden) shown += 1;
  }
  for (const button of filters) {
    const { filter, value } = button.dataset;
    const pressed = String(view[filter] === value);
    if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    button.querySelector(".count").textContent = counted[filter].get(value) ?? 0;
  }
  arrange();
  document.getElementById("found").textContent = sentence(shown);
}

function sentence(shown) {
  if (!cards.length) return "";
  if (!shown) return "Nothing matches.";
  return shown === cards.length ? "" : `${shown} of ${cards.length}`;
}

const lastIfMissing = (a, b, compare) => {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return compare(a, b);
};
const falling = name => (a, b) => lastIfMissing(a[name], b[name], (x, y) => y - x);
const ORDERS = {
  newest: falling("ended"),
  oldest: (a, b) => lastIfMissing(a.ended, b.ended, (x, y) => x - y),
  slowest: falling("seconds"),
  dearest: falling("credits"),
  prompt: (a, b) => a.prompt.localeCompare(b.prompt),
};

function arrange() {
  if (view.sort === sortedBy) return;
  sortedBy = view.sort;
  if (sortedBy === "prompt") for (const card of cards) card.prompt ??= textOf(card, ".prompt");
  const order = ORDERS[sortedBy];
  inOrder = order ? [...cards].sort((a, b) => order(a, b) || a.place - b.place) : cards;
  const fragment = document.createDocumentFragment();
  for (const { element } of inOrder) fragment.append(element);
  grid.append(fragment);
}

const visible = () => inOrder.filter(card => !card.element.hidden).map(card => card.element);

// --- The URL's hash ---------------------------------------------------------------------------

function change(values) {
  view = { ...view, ...values };
  const pairs = Object.entries(view).filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(pairs)}`);
  apply();
}

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const known = (what, value) => filters.some(
    ({ dataset }) => dataset.filter === what && dataset.value === value);
  for (const what of ["state", "model"]) {
    const value = given.get(what) ?? "";
    view[what] = known(what, value) ? value : "";
  }
  view.q = given.get("q") ?? "";
  view.sort = Object.hasOwn(ORDERS, given.get("sort") ?? "") ? given.get("sort") : "";
  search.value = view.q;
  sort.value = view.sort;
  apply();
}

let pending;
search.addEventListener("input", () => {
  clearTimeout(pending);
  pending = setTimeout(() => change({ q: search.value.trim() }), SEARCH_DELAY);
});
sort.addEventListener("change", () => change({ sort: sort.value }));
for (const button of filters) {
  button.addEventListener("click", () => {
    const { filter, value } = button.dataset;
    change({ [filter]: view[filter] === value ? "" : value });
  });
}
addEventListener("hashchange", readHash);
readHash();
