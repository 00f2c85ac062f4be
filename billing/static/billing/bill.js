/* A bill's page in the back office: kept true while others load, children when a line is opened,
   and Enter that moves on in the form. */

import { keepTrue, load, renew } from "../tracetrack/live.js";

// --- The form ------------------------------------------------------------------------------------

const form = document.querySelector("#bill_form");

/** A scanner ends the number with Enter: in a field that moves on, and saves only in the last. */
function enterMovesOn(event) {
  const fields = [...form.querySelectorAll("input:not([type=hidden], [type=submit])")];
  const next = fields[fields.indexOf(event.target) + 1];
  if (event.key !== "Enter" || event.isComposing || !fields.includes(event.target) || !next) return;
  event.preventDefault();
  next.focus();
  next.select();
}

// --- What is on it -------------------------------------------------------------------------------

const page = document.querySelector(".bill");

/** Asks how the bill stands; what the page shows is fetched only when that is something else. */
async function look() {
  const { version, status, mark } = await (await load(page.dataset.stateUrl)).json();
  const stands = [version, status, mark].join("/");
  if (stands === page.querySelector("[data-state]").dataset.state) return;
  const text = await (await load(page.dataset.liveUrl)).text();
  merge(new DOMParser().parseFromString(text, "text/html"));
  renew(text);
}

/** Lines that are the same stay as they are, and those that are open stay open. */
function merge(sent) {
  const list = page.querySelector(".lines");
  const rows = [...sent.querySelectorAll(".lines > li")];
  const there = new Set(rows.map((row) => row.dataset.line));
  const known = new Map([...list.children].map((row) => [row.dataset.line, row]));
  for (const [line, row] of known) if (!there.has(line)) row.remove();
  for (const row of rows) { // in the order of loading, so new ones come last
    const mine = known.get(row.dataset.line);
    if (mine) update(mine, row);
    else list.append(row);
  }
  for (const part of page.querySelectorAll("[data-shown-if]")) part.hidden = (part.dataset.shownIf === "some") !== rows.length > 0;
}

function update(mine, row) {
  const [old, now] = [mine, row].map((one) => one.querySelector("summary"));
  if (old.isEqualNode(now)) return;
  const focused = old === document.activeElement;
  old.replaceWith(now);
  if (focused) now.focus({ preventScroll: true });
  const inside = row.querySelector(".inside");
  mine.querySelector(".inside").replaceWith(inside);
  if (mine.querySelector("details").open) fill(inside);
}

async function fill(inside) {
  inside.dataset.url ??= inside.querySelector("a").href;
  try {
    const text = await (await load(inside.dataset.url)).text();
    inside.replaceChildren(new DOMParser().parseFromString(text, "text/html").querySelector(".children"));
    inside.dataset.filled = "";
  } catch {
    const failed = Object.assign(document.createElement("p"), { className: "failed", textContent: page.dataset.failed });
    inside.replaceChildren(failed);
  }
}

function opened(event) {
  const inside = event.target.querySelector(":scope > .inside");
  if (event.target.open && inside && !("filled" in inside.dataset)) fill(inside);
}

form?.addEventListener("keydown", enterMovesOn);
if (page) {
  page.addEventListener("toggle", opened, true); // it does not bubble
  keepTrue(page, look);
}
