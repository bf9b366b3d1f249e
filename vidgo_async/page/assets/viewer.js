// The large view of one card: copies of its media and of its text.

const viewer = document.getElementById("viewer");
const frame = viewer.querySelector(".frame");
let opened = null;
let current = null; // the card that has, or last had, the focus

function show(card) {
  opened = card;
  playing?.pause();
  const stage = card.querySelector(".stage").cloneNode(true);
  for (const extra of stage.querySelectorAll(".open, .length")) extra.remove();
  for (const film of filmsIn(stage)) {
    film.classList.remove("playing");
    film.querySelector("video")?.remove();
    fill(film).loop = true;
  }
  for (const media of stage.querySelectorAll("video, audio")) {
    media.preload = "auto";
    media.muted = muted;
  }
  for (const image of stage.querySelectorAll("img")) image.loading = "eager";
  frame.replaceChildren(stage);
  const caption = card.querySelector(".caption").cloneNode(true);
  for (const details of caption.querySelectorAll("details")) details.open = true;
  viewer.querySelector(".text").replaceChildren(caption);
  const all = visible();
  document.getElementById("place").textContent = `${all.indexOf(card) + 1} of ${all.length}`;
  viewer.setAttribute("aria-label", card.getAttribute("aria-label"));
  if (!viewer.open) viewer.showModal();
  frame.focus();
  const first = frame.querySelector("video, audio");
  if (first && !stillness.matches) start(first);
}

function step(by) {
  const all = visible();
  const card = all[all.indexOf(opened) + by];
  if (card) show(card);
}

viewer.addEventListener("close", () => {
  for (const media of frame.querySelectorAll("video, audio")) media.pause();
  frame.replaceChildren();
  opened?.focus();
  opened = null;
});
document.getElementById("previous").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
document.getElementById("close").addEventListener("click", () => viewer.close());

grid.addEventListener("focusin", ({ target }) => {
  current = target.closest(".card");
});
grid.addEventListener("click", ({ target }) => {
  const button = target.closest(".open");
  if (button) show(button.closest(".card"));
});

// --- Copy -------------------------------------------------------------------------------------

const told = document.getElementById("told");
let telling;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.(".copy");
  if (!button) return;
  const text = button.parentElement.querySelector("[data-text]").textContent;
  const copied = await copy(text, button);
  clearTimeout(telling);
  told.textContent = copied ? "Copied" : "It could not be copied: select the text instead";
  telling = setTimeout(() => told.replaceChildren(), 2000);
});

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text, button); // over plain http there is no clipboard
  }
}

function copyByHand(text, button) {
  const area = document.createElement("textarea");
  area.value = text;
  button.after(area); // inside the dialog, if that is open: all else is inert
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  button.focus();
  return copied;
}
