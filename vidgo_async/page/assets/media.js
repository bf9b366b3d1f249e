// What is loaded and what plays: only near the view, and one at a time.

const NEAR = "500px 0px";
const FAR = "2500px 0px";
const AT_ONCE = 6;
const PAUSE = 40; // milliseconds between them
const HOVER_DELAY = 80; // milliseconds, so that a pointer that passes by starts nothing
const muteButton = document.getElementById("mute");
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
let playing = null;
let muted = false;

const filmsIn = element => element.querySelectorAll(".film");

// A video is made of what stands there for a page without script.
function fill(film) {
  const template = document.createElement("template");
  template.innerHTML = film.querySelector("noscript").textContent;
  const video = template.content.firstChild;
  film.append(video);
  film.classList.add("filled");
  return video;
}

function empty(film) {
  const video = film.querySelector("video");
  if (!video) return;
  video.pause();
  if (playing === video) playing = null; // its event does not reach the page any more
  video.removeAttribute("src");
  video.load(); // gives its memory back
  video.remove();
  film.classList.remove("filled", "playing");
}

// A card shows the first frame; controls are in the large view.
function showFirstFrame(film) {
  if (film.querySelector("video")) return;
  const video = fill(film);
  video.controls = false;
  video.loop = true;
  video.tabIndex = -1;
  video.preload = "metadata";
}

// A few at a time, and none that a quick scroll has passed already.
const wanted = new Set();
let filling;

function fillSome() {
  filling = undefined;
  for (const film of [...wanted].slice(0, AT_ONCE)) {
    wanted.delete(film);
    showFirstFrame(film);
  }
  if (wanted.size) filling = setTimeout(fillSome, PAUSE);
}

const near = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    for (const film of filmsIn(target)) {
      if (isIntersecting) wanted.add(film);
      else if (!wanted.delete(film)) film.querySelector("video")?.pause();
    }
  }
  filling ??= setTimeout(fillSome, PAUSE);
}, { rootMargin: NEAR });

const far = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) filmsIn(target).forEach(empty);
  }
}, { rootMargin: FAR });

for (const { element } of cards) {
  if (!filmsIn(element).length) continue;
  near.observe(element);
  far.observe(element);
}

// --- Own shape --------------------------------------------------------------------------------

// A picture takes its own shape by itself once it is loaded; its card then takes the width that
// goes with it, should that be another than was known or asked for.
function reshape(media, width, height) {
  const card = media.closest(".card");
  const known = media.getAttribute("width") / media.getAttribute("height");
  if (!card || !width || Math.abs(known / (width / height) - 1) < 0.02) return;
  if (media !== card.querySelector("img, video")) return;
  const ratio = Math.min(Math.max(width / height, 0.5), 2.4); // as in cards.py
  card.style.setProperty("--ratio", ratio.toFixed(2));
}

function showLength(video) {
  const film = video.closest(".card .film");
  if (!film || film.querySelector(".length") || !Number.isFinite(video.duration)) return;
  const seconds = Math.round(video.duration);
  const length = document.createElement("span");
  length.className = "length";
  length.ariaHidden = "true";
  length.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  film.append(length);
}

// These events do not bubble: they are caught on their way down.
document.addEventListener("loadedmetadata", ({ target }) => {
  if (target.tagName !== "VIDEO") return;
  reshape(target, target.videoWidth, target.videoHeight);
  showLength(target);
}, true);
document.addEventListener("load", ({ target }) => {
  if (target.tagName === "IMG") reshape(target, target.naturalWidth, target.naturalHeight);
}, true);
for (const image of grid.querySelectorAll("img")) {
  if (image.complete) reshape(image, image.naturalWidth, image.naturalHeight);
}
document.addEventListener("error", ({ target }) => {
  if (!target.matches?.(".stage :is(video[src], img, audio)")) return;
  const text = document.createElement("p");
  text.className = "missing";
  text.textContent = "It is gone, or cannot be shown here.";
  target.closest(".stage").querySelector(".open")?.remove();
  (target.closest(".film") ?? target).replaceWith(text);
}, true);

// --- Playing ----------------------------------------------------------------------------------

const start = media => media.play().catch(() => {}); // paused again before it began

document.addEventListener("play", ({ target }) => {
  if (playing && playing !== target) playing.pause();
  playing = target;
  target.closest(".film")?.classList.add("playing");
}, true);
document.addEventListener("pause", ({ target }) => {
  if (playing === target) playing = null;
  target.closest(".film")?.classList.remove("playing");
}, true);

function toggle(media) {
  if (!media) return;
  if (media.paused) {
    media.muted = muted;
    start(media);
  } else {
    media.pause();
  }
}

function setMuted(value) {
  muted = value;
  if (playing) playing.muted = muted;
  muteButton.setAttribute("aria-pressed", String(muted));
}

// What plays is muted or heard; if nothing plays, what plays next.
const toggleMuted = () => setMuted(!(playing ? playing.muted : muted));
muteButton.addEventListener("click", toggleMuted);

// --- Hover ------------------------------------------------------------------------------------

let hovered = null;
let hovering;

// A move, not an entry: cards that scroll under a resting pointer start nothing.
grid.addEventListener("pointermove", event => {
  const stage = event.pointerType === "mouse" ? event.target.closest(".stage") : null;
  if (stage === hovered) return;
  leave();
  hovered = stage;
  if (stage?.querySelector(".film") && !stillness.matches) hovering = setTimeout(preview, HOVER_DELAY);
});
grid.addEventListener("pointerleave", leave);

function preview() {
  filmsIn(hovered).forEach(showFirstFrame);
  const video = hovered.querySelector("video");
  if (!video?.paused) return; // it is gone, or plays by a key
  video.muted = true;
  video.dataset.hover = "";
  start(video);
}

function leave() {
  clearTimeout(hovering);
  for (const video of hovered?.querySelectorAll("video[data-hover]") ?? []) {
    delete video.dataset.hover;
    video.pause();
  }
  hovered = null;
}
