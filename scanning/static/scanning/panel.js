/* What pages with a scanner have in common: what came of a scan, a question, what waits, the sound. */

import { gettext, interpolate, ngettext } from "../tracetrack/i18n.js";
import { icon } from "./words.js";

const FLASH = 700; // ms: a good scan shines this long, what went wrong stays until the next scan

const count = (text, n, more) => interpolate(text, { n: n.toLocaleString("en"), ...more });

export const setText = (part, text) => part.textContent !== text && (part.textContent = text);
export const byKeyboard = (event) => event.detail === 0;

/** The page's elements by their names. */
export function partsOf(page, names) {
  return Object.fromEntries(names.map((name) => [name, page.querySelector(`[data-part="${name}"]`)]));
}

/** `show` says what came of a scan, in the largest part of the page. */
export function createVerdict(parts) {
  let flash = 0;

  return function show({ tone, icon: sign, word, detail = "", outcome, offer = null }) {
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
  };
}

/**
 * A question on the page. Scans go on meanwhile, and never press a button. `inTurn(deed)` does a deed
 * once the scans before it are kept: a press on Yes must not overtake them.
 */
export function createQuestion(parts, { inTurn, answered }) {
  let asked = null; // {question, command, then, …}

  function ask(one) {
    asked = one;
    parts.question.textContent = wording();
    parts.yes.textContent = one.yes;
    parts.no.textContent = one.no;
    parts.ask.hidden = false;
    parts.deeds.hidden = true;
    if (one.byKeyboard) parts.yes.focus();
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

  /** The question stands as long as `stands(asked)` says so. */
  function refresh(stands) {
    if (asked && stands(asked)) setText(parts.question, wording());
    else if (asked) answer();
  }

  /** Whether a scanned command was the answer. */
  function sayYes(command) {
    const answers = Boolean(asked) && (command === "ok" || command === asked.command);
    if (answers) answer(asked.then);
    return answers;
  }

  parts.yes.addEventListener("click", () => inTurn(() => asked && answer(asked.then)));
  parts.no.addEventListener("click", () => answer());
  return { ask, refresh, sayYes, close: () => asked && answer() };
}

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

/** Draws {waiting, trouble, full, others}. `others`: [{name, waiting}], who else has scans here. */
export function createBanner(parts) {
  return function draw(now) {
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
  };
}

/** `signIn(password)` gives "" or why not. */
export function onSignIn(parts, signIn, answered) {
  parts["signin-form"].addEventListener("submit", async (event) => {
    event.preventDefault();
    const { value } = parts.password;
    parts.password.value = "";
    setText(parts["signin-problem"], gettext("One moment …"));
    setText(parts["signin-problem"], await signIn(value));
    answered();
  });
}

/** What a scanner or keyboard may do wrong, and how to mend it. */
export function hint(parts, text) {
  parts.hint.hidden = !text;
  setText(parts.hint.firstElementChild, text);
}

export function drawSound({ mute, volume, shift }, feel) {
  const muted = feel.muted();
  mute.replaceChildren(icon(muted ? "mute" : "sound"));
  mute.setAttribute("aria-label", muted ? gettext("Sound is off. Turn it on") : gettext("Sound is on. Turn it off"));
  volume.value = feel.volume();
  shift.hidden = feel.started();
}

/** A phone shows its keyboard only when somebody wants to type. */
export function offerKeyboard({ keys, field }) {
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  keys.hidden = !coarse;
  if (coarse) field.inputMode = "none";
  keys.addEventListener("click", () => {
    field.inputMode = field.inputMode === "none" ? "text" : "none";
    field.blur();
    field.focus();
  });
}
