/* The station page's elements, and how each state looks on them. Decides nothing. */

import { gettext, interpolate, ngettext } from "../tracetrack/i18n.js";
import { button, icon, spoken, wordsFor } from "./words.js";

const FLASH = 700; // ms: a good scan shines this long, what went wrong stays until the next scan

const PARTS = [
  "banner", "trouble", "others", "waits", "field", "state", "phase", "parent", "count", "n", "of", "bar", "verdict", "sign",
  "word", "detail", "offer", "said", "deeds", "ask", "question", "yes", "no", "undo", "finish", "retry", "keys", "chooser",
  "packing", "name", "problem", "list", "empty", "shift", "start-shift", "hint", "signin-form", "signin-problem", "password",
  "help", "close-help", "decisions",
];

const count = (text, n, more) => interpolate(text, { n: n.toLocaleString("en"), ...more });
const byKeyboard = (event) => event.detail === 0;

/** What waits, as the banner says it. */
function banner({ waiting, trouble, full }) {
  if (full) return gettext("This device is nearly full. Connect it to the network before you go on.");
  if (!trouble) return "";
  const waits = waiting ? count(ngettext("%(n)s scan waits on this device.", "%(n)s scans wait on this device.", waiting), waiting) : "";
  const whys = {
    away: gettext("No connection."),
    slow: gettext("The network is very slow."),
    busy: gettext("The server is busy."),
    renew: gettext("Trying again."),
    spoilt: gettext("The server can't read a scan of this page. Tell your supervisor."),
    broken: gettext("This device can't write to its disk."),
    sign_in: waiting
      ? count(ngettext("Sign in again to send %(n)s scan.", "Sign in again to send %(n)s scans.", waiting), waiting)
      : gettext("Sign in again to go on."),
    other: gettext("Somebody else has signed in on this device."),
  };
  return [whys[trouble.why] ?? whys.away, trouble.why === "sign_in" ? "" : waits].filter(Boolean).join(" ");
}

/** `inTurn(deed)` does a deed once the scans before it are kept: a press on Yes must not overtake them. */
export function createView(page, { inTurn }) {
  const find = (name) => page.querySelector(`[data-part="${name}"]`);
  const parts = Object.fromEntries(PARTS.map((name) => [name, find(name)]));
  const header = document.querySelector("[data-part=here]");
  for (const name of ["station", "mute", "change", "volume"]) parts[`here-${name}`] = header.querySelector(`[data-part=${name}]`);
  let asked = null; // {question, parent, command, then}
  let answered = () => {};
  let chosen = () => "";
  let flash = 0;

  const setText = (part, text) => part.textContent !== text && (part.textContent = text);

  /* What came of a scan, in the largest part of the page. */

  function show({ tone, icon: sign, word, detail = "", outcome, offer = null }) {
    clearTimeout(flash);
    parts.state.dataset.tone = tone;
    parts.state.dataset.outcome = outcome ?? "";
    parts.state.classList.add("loud");
    if (tone === "yes" || tone === "undo") flash = setTimeout(() => parts.state.classList.remove("loud"), FLASH);
    parts.sign.replaceChildren(icon(sign));
    parts.word.textContent = word;
    parts.detail.textContent = detail;
    parts.verdict.hidden = false;
    parts.offer.replaceChildren(...(offer ? [offer] : []));
    if (tone !== "wait") parts.said.textContent = `${word}. ${detail}`;
  }

  function draw(now) {
    setText(parts["here-station"], now.station ?? "");
    header.hidden = !now.station;
    setText(parts.phase, now.phase);
    parts.state.dataset.phase = now.open ? "packing" : now.parent ? "complete" : "waiting";
    drawParent(now.parent);
    drawDeeds(now);
    drawBanner(now);
    parts["here-mute"].replaceChildren(icon(now.muted ? "mute" : "sound"));
    parts["here-mute"].setAttribute("aria-label", now.muted ? gettext("Sound is off. Turn it on") : gettext("Sound is on. Turn it off"));
    parts["here-volume"].value = now.volume;
    parts.shift.hidden = now.started;
    parts.empty.hidden = parts.list.childElementCount > 0;
    if (asked && now.open && asked.parent === now.parent.qr_id) setText(parts.question, wording());
    else if (asked) answer();
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

  function drawBanner(now) {
    const { waiting, trouble, others } = now;
    const text = banner(now);
    const signIn = trouble?.why === "sign_in" || trouble?.why === "other";
    parts.trouble.hidden = !text;
    setText(parts.trouble.firstElementChild, text);
    parts.retry.hidden = !trouble || signIn;
    parts["signin-form"].hidden = !signIn;
    parts.waits.hidden = !waiting;
    setText(parts.waits, count(ngettext("%(n)s waits", "%(n)s wait", waiting), waiting));
    parts.others.hidden = !others.length;
    setText(parts.others, others.map(({ name, waiting: n }) =>
      count(ngettext("%(n)s scan of %(name)s waits on this device.", "%(n)s scans of %(name)s wait on this device.", n), n, { name })).join(" ") +
      ` ${gettext("They are sent when that person signs in here.")}`);
  }

  /** What a scanner or keyboard may do wrong, and how to mend it. */
  function hint(text) {
    parts.hint.hidden = !text;
    setText(parts.hint.firstElementChild, text);
  }

  /* A question on the page. Scans go on meanwhile, and never press a button. */

  function ask({ question, yes, no, parent, command, byKeyboard: keys }, then) {
    asked = { question, parent, command, then };
    parts.question.textContent = wording();
    parts.yes.textContent = yes;
    parts.no.textContent = no;
    parts.ask.hidden = false;
    parts.deeds.hidden = true;
    if (keys) parts.yes.focus();
  }

  function wording() {
    return typeof asked.question === "function" ? asked.question() : asked.question;
  }

  function answer(then = () => {}) {
    const hadFocus = parts.ask.contains(document.activeElement);
    asked = null;
    parts.ask.hidden = true;
    parts.deeds.hidden = false;
    then();
    if (hadFocus) answered();
  }

  parts.yes.addEventListener("click", () => inTurn(() => asked && answer(asked.then)));
  parts.no.addEventListener("click", () => answer());

  /** A scanned command as the answer to the question, or as a press on what is offered. */
  function sayYes(command) {
    if (asked && (command === "ok" || command === asked.command)) {
      answer(asked.then);
      return true;
    }
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

  /** `signIn(password)` gives "" or why not. */
  function onSignIn(signIn) {
    parts["signin-form"].addEventListener("submit", async (event) => {
      event.preventDefault();
      const { value } = parts.password;
      parts.password.value = "";
      setText(parts["signin-problem"], gettext("One moment …"));
      setText(parts["signin-problem"], await signIn(value));
      answered();
    });
  }

  /* A phone shows its keyboard only when somebody wants to type. */

  const coarse = window.matchMedia("(pointer: coarse)").matches;
  parts.keys.hidden = !coarse;
  if (coarse) parts.field.inputMode = "none";
  parts.keys.addEventListener("click", () => {
    parts.field.inputMode = parts.field.inputMode === "none" ? "text" : "none";
    parts.field.blur();
    parts.field.focus();
  });

  function help(shown) {
    parts.help.hidden = !shown;
  }
  parts["close-help"].addEventListener("click", () => help(false));

  return {
    ask, choose, draw, help, hint, onSignIn, open, sayYes, show,
    field: parts.field,
    list: parts.list,
    decisions: parts.decisions,
    volume: parts["here-volume"],
    isOpen: () => parts.chooser.hidden,
    onAnswer: (then) => (answered = then),
    onChosen: (then) => (chosen = then),
    onPress: (name, then) => (parts[`here-${name}`] ?? parts[name]).addEventListener("click", (event) => then(byKeyboard(event))),
    move: (text, press) => button(text, press, "move"),
    outcome: (outcome, more) => show({ ...wordsFor(outcome), outcome, ...more }),
  };
}

