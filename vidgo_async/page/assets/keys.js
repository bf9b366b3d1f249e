// Keys: none is taken from a field, a button, or a player that has its own use for it.

const ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (target === search && key === "Escape") return leaveSearch(event);
  if (target.closest("input, select, textarea")) return;
  const owned = target.closest("video, audio") !== null;
  const pressable = target.closest("button, a, summary") !== null;
  if (key === "/" && !viewer.open) act(event, () => search.select());
  else if (key.toLowerCase() === "m" && !owned) act(event, toggleMuted);
  else if (key in ARROWS && !owned && !event.shiftKey) act(event, () => move(key));
  else if (key === " " && !owned && !pressable) play(event);
  else if (key === "Enter" && target.matches(".card")) act(event, () => show(target));
}

function act(event, action) {
  event.preventDefault();
  action();
}

function leaveSearch(event) {
  event.preventDefault();
  clearTimeout(pending);
  if (search.value) {
    search.value = "";
    change({ q: "" });
  } else {
    (current && !current.hidden ? current : visible()[0])?.focus();
  }
}

function play(event) {
  const place = viewer.open ? frame : event.target.closest(".card");
  if (place) filmsIn(place).forEach(showFirstFrame); // it may just have come into view
  const media = place?.querySelector("video, audio");
  if (media) act(event, () => toggle(media));
  else if (place?.matches(".card")) event.preventDefault(); // no scrolling from a card
}

function move(key) {
  if (viewer.open) return step(ARROWS[key]);
  const all = visible();
  const from = all.indexOf(document.activeElement?.closest(".card") ?? current);
  const to = from < 0 ? firstInView(all) : all[neighbour(all, from, key)];
  to?.focus();
}

function firstInView(all) {
  const top = document.querySelector(".tools").getBoundingClientRect().bottom;
  return all.find(card => card.getBoundingClientRect().bottom > top) ?? all[0];
}

// Up and down lead to the card of the next row whose middle is nearest.
function neighbour(all, from, key) {
  const by = ARROWS[key];
  if (key === "ArrowLeft" || key === "ArrowRight") return from + by;
  const middle = card => card.offsetLeft + card.offsetWidth / 2;
  const row = all[from].offsetTop;
  let at = from + by;
  while (all[at] && all[at].offsetTop === row) at += by;
  if (!all[at]) return from;
  const next = all[at].offsetTop;
  let best = at;
  for (; all[at] && all[at].offsetTop === next; at += by) {
    const distance = card => Math.abs(middle(card) - middle(all[from]));
    if (distance(all[at]) < distance(all[best])) best = at;
  }
  return best;
}

document.addEventListener("keydown", onKey);
