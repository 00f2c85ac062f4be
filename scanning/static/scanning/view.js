/* The station page's elements, and how each state looks on them. Decides nothing. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { byKeyboard, createBanner, createQuestion, createVerdict, drawSound, hint, offerKeyboard, onSignIn, partsOf, setText } from "./panel.js";
import { button, spoken, wordsFor } from "./words.js";

const PARTS = [
  "banner", "trouble", "others", "waits", "field", "state", "phase", "parent", "count", "n", "of", "bar", "verdict", "sign",
  "word", "detail", "offer", "said", "deeds", "ask", "question", "yes", "no", "undo", "finish", "retry", "keys", "chooser",
  "packing", "name", "problem", "list", "empty", "shift", "start-shift", "hint", "signin-form", "signin-problem", "password",
  "help", "close-help", "decisions",
];

/** `inTurn(deed)` does a deed once the scans before it are kept: a press on Yes must not overtake them. */
export function createView(page, { inTurn }) {
  const parts = partsOf(page, PARTS);
  const header = document.querySelector("[data-part=here]");
  const here = partsOf(header, ["station", "mute", "change", "volume"]);
  let answered = () => {};
  let chosen = () => "";

  const show = createVerdict(parts);
  const drawBanner = createBanner(parts);
  const question = createQuestion(parts, { inTurn, answered: () => answered() });

  function draw(now) {
    setText(here.station, now.station ?? "");
    header.hidden = !now.station;
    setText(parts.phase, now.phase);
    parts.state.dataset.phase = now.open ? "packing" : now.parent ? "complete" : "waiting";
    drawParent(now.parent);
    drawDeeds(now);
    drawBanner(now);
    drawSound({ mute: here.mute, volume: here.volume, shift: parts.shift }, now.feel);
    parts.empty.hidden = parts.list.childElementCount > 0;
    question.refresh(({ parent }) => now.open && parent === now.parent.qr_id);
  }

  /** The count is what the server said, and what waits on top of it. */
  function drawParent(parent) {
    parts.parent.hidden = !parent;
    const counted = parent?.capacity && (parent.known || parent.extra);
    parts.count.hidden = parts.bar.hidden = !counted;
    if (!parent) return;
    setText(parts.parent, parent.qr_id);
    parts.parent.classList.toggle("long", parent.qr_id.length > 12);
    if (!counted) return;
    const n = parent.child_count + parent.extra;
    setText(parts.n, parent.known ? String(n) : `+${n}`);
    setText(parts.of, parent.known ? ` ${interpolate(gettext("of %(capacity)s"), { capacity: parent.capacity })}` : ` ${gettext("not sent yet")}`);
    parts.bar.max = parent.capacity;
    parts.bar.value = n;
  }

  function drawDeeds({ open, parent, link }) {
    const name = link && spoken(link.child ?? link.code).main;
    parts.undo.disabled = !link;
    setText(parts.undo.lastElementChild, link ? interpolate(gettext("Undo %(code)s"), { code: name }) : gettext("Undo"));
    parts.finish.disabled = !open || parent.doubt || !(parent.child_count + parent.extra);
    setText(parts.finish.lastElementChild, open ? interpolate(gettext("Finish %(parent)s"), { parent: parent.qr_id }) : gettext("Finish"));
  }

  /** A scanned command as the answer to the question, or as a press on what is offered. */
  function sayYes(command) {
    if (question.sayYes(command)) return true;
    const offer = parts.offer.querySelector("button");
    if (command === "ok" && offer) offer.click();
    return command === "ok";
  }

  /* Which station this is. */

  function choose(name) {
    parts.chooser.hidden = false;
    parts.packing.hidden = true;
    parts.problem.textContent = "";
    parts.name.value = name;
    parts.name.focus();
    parts.name.select();
  }

  function open() {
    parts.chooser.hidden = true;
    parts.packing.hidden = false;
  }

  function submit(name) {
    const station = name.trim().toUpperCase();
    const problem = /^[A-Z0-9][A-Z0-9_-]{0,31}$/.test(station)
      ? chosen(station)
      : gettext("Use 1 to 32 letters, digits or -, like PACK-1.");
    parts.problem.textContent = problem;
    if (problem) parts.name.select();
  }

  parts.chooser.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(parts.name.value);
  });
  // No submit buttons: Enter in the field would press the first of them, whatever was typed.
  parts.chooser.querySelector(".known")?.addEventListener("click", ({ target }) => target.value && submit(target.value));

  offerKeyboard(parts);

  function help(shown) {
    parts.help.hidden = !shown;
  }
  parts["close-help"].addEventListener("click", () => help(false));

  return {
    choose, draw, help, open, sayYes, show,
    ask: (asked, then) => question.ask({ ...asked, then }),
    hint: (text) => hint(parts, text),
    onSignIn: (signIn) => onSignIn(parts, signIn, () => answered()),
    field: parts.field,
    list: parts.list,
    decisions: parts.decisions,
    volume: here.volume,
    isOpen: () => parts.chooser.hidden,
    onAnswer: (then) => (answered = then),
    onChosen: (then) => (chosen = then),
    onPress: (name, then) => (here[name] ?? parts[name]).addEventListener("click", (event) => then(byKeyboard(event))),
    move: (text, press) => button(text, press, "move"),
    outcome: (outcome, more) => show({ ...wordsFor(outcome), outcome, ...more }),
  };
}

