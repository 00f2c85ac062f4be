/* From keys to codes. A wedge scanner types like a very fast hand; Enter, Tab, CR, LF or CRLF end a
   code. A label may bear line breaks of its own: those don't end it while the burst goes on. */

import { normalise } from "./codes.js";

export { normalise };

export const QUIET = 80; // ms without a key: an unfinished label ends here
const PAUSE = 300; // ms without a key in the middle of a line: slow radio scanners make such pauses
const BURST = 60; // ms: keys this close together come from a scanner, not from a hand

const ENDS = /\r\n|[\r\n\t]/;
const FIELDS = { label: /LABEL NO/, lot: /LOT NO/, tested: /D\.O\.T|DOT ?[.:]|DATE OF TEST/ };
const FULL = [
  /LABEL NO[ .:]{0,4}\d/,
  /LOT NO[ .:]{0,4}[^ ,.:]/,
  /(?:D\.O\.T|DOT|DATE OF TEST)[ .:]{0,4}\d{1,2}[/.-]\d{1,2}[/.-]\d{4}/,
];
const OPEN_END = /(?:LABEL|LABEL NO|LOT|LOT NO|D\.O\.T|DOT|DATE|DATE OF|DATE OF TEST)[ .:]*$/;
const OPEN_START = { label: /^LABEL$/, lot: /^LOT$/, tested: /^DATE(?: OF)?$/ };
const DATE_BEGUN = /(?:D\.O\.T|DOT|DATE OF TEST)[ .:]*[\d/.-]{1,9}$/;

/** Text -> its complete codes in order, the label that waits for more lines (or ""), and the rest. */
export function split(text, isParent = () => false) {
  const lines = text.split(ENDS);
  const rest = lines.pop();
  const codes = [];
  let held = "";
  for (const line of lines) {
    if (!line.trim()) continue;
    if (held && !joins(held, line, isParent)) {
      codes.push(held);
      held = "";
    }
    held = held ? `${held}\n${line}` : line;
    if (isFinished(held)) {
      codes.push(held);
      held = "";
    }
  }
  return { codes, held, rest };
}

function fields(text) {
  return Object.keys(FIELDS).filter((name) => FIELDS[name].test(text));
}

/** False for a label that lacks a field which may stand in its next line. */
function isFinished(raw) {
  const text = normalise(raw);
  const isLabel = fields(text).length > 0 || text === "LABEL";
  return !isLabel || FULL.every((field) => field.test(text));
}

/** Whether this line goes on with the label before it, or is a code of its own. */
function joins(held, line, isParent) {
  const before = normalise(held);
  const next = normalise(line);
  if (isParent(next)) return false;
  const known = fields(before);
  const brought = fields(next);
  if (brought.length) return !brought.some((name) => known.includes(name));
  if (Object.keys(OPEN_START).some((name) => OPEN_START[name].test(next) && !known.includes(name))) return true;
  return OPEN_END.test(before) || (DATE_BEGUN.test(before) && /^[\d/.-]+$/.test(next));
}

const isTyping = (element) =>
  element.matches("input:not([type=button], [type=submit], [type=checkbox]), textarea, select") ||
  element.isContentEditable;

/**
 * Send every code to `onCode`, wherever the focus is, and keep the focus in `field` (a textarea, so
 * that pasted line breaks survive). Other fields keep their keys; buttons can be used by keyboard,
 * but a scan never presses one. While `isActive` says no, nothing is taken. Where the focus is not
 * kept, the first key outside the field replaces its text.
 */
export function listen({ field, onCode, isParent = () => false, isActive = () => true, keepsFocus = true }) {
  let timer = 0;
  let lastKey = -Infinity;
  let pressed = null; // a key on a button, until it is clear that a hand pressed it

  function take(text) {
    clearTimeout(timer);
    const { codes, held, rest } = split(text, isParent);
    const left = held ? `${held}\n${rest}` : rest;
    if (field.value !== left) field.value = left;
    if (held) timer = setTimeout(rest.trim() ? release : flush, rest.trim() ? PAUSE : QUIET);
    codes.forEach((code) => onCode(code));
  }

  /** The label got no further line: what follows it in the field is the next code's beginning. */
  function release() {
    const { held, rest } = split(field.value, isParent);
    field.value = rest;
    if (held) onCode(held);
  }

  function flush() {
    const text = field.value;
    field.value = "";
    if (text.trim()) onCode(text.trim());
  }

  function onKeydown(event) {
    if (event.isComposing || !isActive()) return;
    const burst = event.timeStamp - lastKey < BURST;
    const control = event.ctrlKey && !event.altKey && /^[jm]$/i.test(event.key); // LF and CR
    const end = event.key === "Enter" || control || (event.key === "Tab" && !event.shiftKey);
    const typed = event.key.length === 1 && !event.metaKey &&
      (!(event.ctrlKey || event.altKey) || event.getModifierState("AltGraph"));
    if (typed || (end && (field.value || burst))) lastKey = event.timeStamp; // not for a Tab that moves on
    if (event.target === field) onFieldKey(event, end, burst);
    else if (!isTyping(event.target)) onOtherKey(event, { typed, end, burst });
  }

  function onFieldKey(event, end, burst) {
    if (!end || event.metaKey || event.altKey) return;
    if (event.key === "Tab" && !keepsFocus && !burst) return;
    if (!field.value.trim()) {
      if (event.key !== "Tab" || burst) event.preventDefault();
      return; // a Tab by hand moves the focus
    }
    event.preventDefault();
    take(`${field.value}\n`);
  }

  function onOtherKey(event, { typed, end, burst }) {
    const press = event.target.closest("button, a[href], summary");
    const held = pressed;
    forget();
    if (press && !burst && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      if (!event.repeat) hold(press, event.key);
    } else if (typed && (keepsFocus || event.key !== " ")) { // elsewhere Space turns the page
      event.preventDefault();
      field.focus({ preventScroll: true });
      if (!keepsFocus) field.value = "";
      field.value += (held?.key === " " ? " " : "") + event.key;
      take(field.value);
    } else if (end && burst) {
      event.preventDefault();
      if (field.value.trim()) take(`${field.value}\n`);
    }
  }

  /** Press the button a moment later, unless more keys show that it is a scan. */
  function hold(button, key) {
    const timeout = setTimeout(() => {
      pressed = null;
      button.click();
    }, BURST);
    pressed = { key, timeout };
  }

  function forget() {
    if (pressed) clearTimeout(pressed.timeout);
    pressed = null;
  }

  function keep() {
    if (isActive() && document.hasFocus()) field.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", onKeydown, true);
  document.addEventListener("keyup", (event) => {
    // Some browsers press a button when Space is let go.
    const button = event.key === " " && !isTyping(event.target) && event.target.closest("button");
    if (button && isActive()) event.preventDefault();
  }, true);
  field.addEventListener("input", () => take(field.value));
  if (keepsFocus) keepFocus();
  return { wake };

  /** Take the focus, and what was typed before this script was there. */
  function wake() {
    if (keepsFocus) keep();
    if (isActive() && ENDS.test(field.value)) take(field.value);
  }

  function keepFocus() {
    field.addEventListener("blur", (event) => {
      if (!event.relatedTarget) setTimeout(() => document.activeElement === document.body && keep());
    });
    document.addEventListener("click", (event) => {
      if (event.detail > 0 && !event.target.closest("input, select, textarea, label")) keep();
    });
    window.addEventListener("focus", () => document.activeElement === document.body && keep());
    keep();
  }
}
