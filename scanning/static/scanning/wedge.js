/* From keys to codes. A wedge scanner types like a very fast hand; Enter, Tab, CR, LF or CRLF end a
   code. A label may bear line breaks of its own: those don't end it while the burst goes on. */

import { command, normalise } from "./codes.js";
import {
  SLOWEST, asUs, burstOf, endHint, hasCaps, isComposed, isControl, isEnd, isSeparator, isTyped, judge, layoutHint, worth,
} from "./keys.js";
import { ENDS, split } from "./lines.js";

export { normalise };

export const QUIET = 80; // ms without a key: an unfinished label ends here
const PAUSE = 300; // ms without a key in the middle of a line: slow radio scanners make such pauses
const LONG_PAUSE = 1000; // ms: a hand may pause so long, a scanner rarely within a code
const STALE = 5000; // ms: what has stood in the field so long is no part of the code that comes now
const SHORTEST = 4; // keys: fewer may come from a quick hand

const isTyping = (element) =>
  element.matches("input:not([type=button], [type=submit], [type=checkbox]), textarea, select") ||
  element.isContentEditable;

const textOf = (strokes) => strokes.map(({ key }) => key).join("");
const slowestGap = (strokes) => Math.max(0, ...strokes.slice(1).map(({ at }, n) => at - strokes[n].at));
const LINE_END = { key: "\n", us: "\n", code: "Enter", caps: false };

/**
 * Send every code to `onCode`, wherever the focus is, and keep the focus in `field` (a textarea, so
 * that pasted line breaks survive). Other fields keep what a hand types; buttons can be used by
 * keyboard, but a scan never presses one. While `isActive` says no, nothing is taken. Where the focus
 * is not kept, the first key outside the field replaces its text.
 *
 * `profile()` gives the station's {end, gap_ms, layout} or null (profile.js). `onHint({kind, text})`
 * says what is wrong with the scanner or the keyboard: "caps", "layout", "end".
 */
export function listen({
  field, onCode, onHint = () => {}, isParent = () => false, isActive = () => true, keepsFocus = true, profile = () => null,
}) {
  let timer = 0;
  let lastKey = performance.now() - SLOWEST; // keys may have come before this script was there
  let pressed = null; // a key on a button, until it is clear that a hand pressed it
  let waiting = ""; // the lines of a label that may go on
  let aside = ""; // what a hand had typed when a scan came: it is put back
  let strokes = []; // the keys of the text in the field
  let burst = { element: field, before: "", strokes: [], hand: false, slow: 0 }; // the keys since the last pause
  let fits = false; // the scanner and this computer agree on a keyboard that is not a US one
  let told = null; // the last hint's kind

  /* --- Text becomes codes --- */

  function take(text) {
    const { codes, held, rest } = split(text, isParent);
    waiting = held;
    const left = held ? `${held}\n${rest}` : rest;
    if (field.value !== left) field.value = left;
    arm(rest);
    codes.forEach(deliver);
    putBack();
  }

  /** What happens when no further key comes. */
  function arm(rest) {
    clearTimeout(timer);
    const gap = profile()?.gap_ms ?? 0;
    if (isEndless() && rest.trim()) timer = setTimeout(burst.element === field ? finish : takeBurst, Math.max(QUIET, 3 * gap));
    else if (waiting) timer = setTimeout(rest.trim() ? release : flush, Math.max(rest.trim() ? PAUSE : QUIET, 2 * gap));
    else if (rest.trim() && isScan(burst.strokes, 2)) timer = setTimeout(() => onHint(endHint()), LONG_PAUSE);
  }

  /** The label got no further line: what follows it in the field is the next code's beginning. */
  function release() {
    const { held, rest } = split(field.value, isParent);
    waiting = "";
    field.value = rest;
    if (held) deliver(held);
    putBack();
  }

  function flush() {
    const text = field.value;
    waiting = field.value = "";
    if (text.trim()) deliver(text.trim());
    putBack();
  }

  function deliver(code) {
    const own = strokesOf(code);
    const { us, hint } = judge(code, own, { isParent, profile: profile(), fits });
    if (us !== null && worth(code, isParent) === 2 && worth(us, isParent) < 2) fits = true;
    // A command is known by its keys, whatever letters the computer's layout has on them.
    onCode(us !== null && command(us) ? us : code);
    if (!own.length) return;
    if (hint && (hint.kind !== "caps" || told !== "caps")) onHint(hint);
    told = hint?.kind;
  }

  /** The strokes of this code: none if it was not typed as it stands here, or by a hand. */
  function strokesOf(code) {
    const own = [];
    for (let lines = code.split(ENDS).filter((line) => line.trim()).length; lines > 0 && strokes.length; ) {
      const stroke = strokes.shift();
      if (stroke.key !== "\n") own.push(stroke);
      else if (own.length && own.at(-1).key !== "\n" && --lines) own.push(stroke);
    }
    const typed = own.filter(({ at }) => at);
    const isFast = (typed.at(-1)?.at - typed[0]?.at) / (typed.length - 1) < burstOf(profile());
    return typed.length >= SHORTEST && isFast && normalise(textOf(own)) === normalise(code) ? own : [];
  }

  function putBack() {
    if (field.value || waiting) return;
    field.value = aside;
    aside = "";
  }

  /* --- Keys become text --- */

  function onKeydown(event) {
    if (!isActive()) return;
    const fast = event.timeStamp - lastKey < burstOf(profile());
    const end = isEnd(event);
    const typed = isTyped(event);
    const element = isTyping(event.target) ? event.target : field;
    if (isComposed(event)) return onComposed(event, element, fast);
    if (isControl(event) && !end && (fast || isSeparator(event))) {
      event.preventDefault(); // STX, GS and their like are no part of a code
      lastKey = event.timeStamp;
      return;
    }
    if (end && fast && isRepeatedEnd(element)) return event.preventDefault();
    if (typed) note(event, element, fast);
    if (typed || (end && (field.value || fast))) lastKey = event.timeStamp; // not for a Tab that moves on
    if (event.target === field) onFieldKey(event, end, fast);
    else if (element === field) onOtherKey(event, { typed, end, fast });
    else onForeignKey(event, { typed, end, fast });
  }

  function note(event, element, fast) {
    if (!fast || burst.element !== element || !burst.strokes.length) {
      burst = { element, before: element.value, strokes: [], ...whoTyped(event.timeStamp - lastKey) };
    }
    const stroke = { key: isComposed(event) ? "" : event.key, us: asUs(event), code: event.code, caps: hasCaps(event), at: event.timeStamp };
    burst.strokes.push(stroke);
    if (element !== field) return;
    if (!field.value) strokes = [];
    strokes.push(stroke);
  }

  /** Whether what stands before this burst was typed by a hand. Only sure signs count: else it is one code. */
  function whoTyped(pause) {
    const slow = burst.strokes.length < 2 ? burst.slow + 1 : 0; // keys that came alone
    const hand = pause > STALE || (pause > LONG_PAUSE && slow > 0) || (pause > PAUSE && slow > 1);
    return { slow, hand };
  }

  /** LF behind CR, or a second Enter: nothing came since the first. */
  const isRepeatedEnd = (element) =>
    !burst.strokes.length && burst.element === element && burst.before === element.value;

  /** Whether a scanner typed this. `least`: 1 any code, 2 only what is certainly ours. */
  function isScan(keys, least) {
    const us = keys.every((stroke) => stroke.us) ? keys.map((stroke) => stroke.us).join("") : "";
    return keys.length >= SHORTEST && Math.max(worth(textOf(keys), isParent), command(us) ? 2 : 0) >= least;
  }

  /** The scanner of this station sends no end key, and it was the scanner that typed last. */
  function isEndless() {
    const { end, gap_ms: gap } = profile() ?? {};
    return end === "" && burst.strokes.length >= SHORTEST - 1 && slowestGap(burst.strokes) <= Math.max(25, 2 * gap);
  }

  /** The code is at its end. What a hand had typed before the scan stays with the hand. */
  function finish() {
    const { element, before, hand, strokes: keys } = burst;
    if (element === field && hand && before.trim() && keys.length >= SHORTEST) return takeBurst();
    strokes.push(LINE_END);
    settle(field);
    take(`${field.value}\n`);
    burst.before = field.value;
  }

  function takeBurst() {
    const { element, before, strokes: keys } = burst;
    if (element !== field) {
      element.value = before;
      element.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (!waiting) {
      aside ||= element === field ? before : field.value;
      strokes = [];
    }
    strokes.push(...keys, LINE_END);
    settle(element);
    take(`${waiting && `${waiting}\n`}${textOf(keys)}\n`);
    burst.before = element.value;
  }

  /** Nothing came since the last end. */
  function settle(element) {
    burst = { element, before: element.value, strokes: [], hand: false, slow: 0 };
  }

  function onFieldKey(event, end, fast) {
    if (!end || event.metaKey || event.altKey) return;
    if (event.key === "Tab" && !keepsFocus && !fast) return;
    if (!field.value.trim()) {
      if (event.key !== "Tab" || fast) event.preventDefault();
      return; // a Tab by hand moves the focus
    }
    event.preventDefault();
    if (!fast) burst.hand = false; // whoever presses Enter means all that is in the field
    finish();
  }

  /** The focus is on no field. */
  function onOtherKey(event, { typed, end, fast }) {
    const press = event.target.closest("button, a[href], summary");
    const held = pressed;
    forget();
    if (press && !fast && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      if (!event.repeat) hold(press, event.key);
    } else if (typed && (keepsFocus || event.key !== " ")) { // elsewhere Space turns the page
      event.preventDefault();
      field.focus({ preventScroll: true });
      if (!keepsFocus) {
        field.value = "";
        strokes = strokes.slice(-1);
      }
      field.value += (held?.key === " " ? " " : "") + event.key;
      take(field.value);
    } else if (end && fast) {
      event.preventDefault();
      if (field.value.trim()) finish();
    }
  }

  /** The focus is in another field. It keeps what a hand types; a scan is taken out of it again. */
  function onForeignKey(event, { typed, end, fast }) {
    const secret = event.target.type === "password"; // some keys type passwords as fast as a scanner
    const scan = isScan(burst.strokes, secret ? 2 : 1);
    if (end && fast && (scan || (waiting && burst.strokes.length))) {
      event.preventDefault();
      takeBurst();
    } else if (typed && (waiting || (scan && isEndless()))) {
      arm(textOf(burst.strokes)); // a label goes on here, or the end is a pause
    }
  }

  /** An input method takes the keys: the code comes, but not as it was printed. */
  function onComposed(event, element, fast) {
    if (/^(?:Numpad)?Enter$|^Tab$/.test(event.code)) {
      if (fast && burst.strokes.length >= SHORTEST && element === field) {
        onHint(layoutHint(burst.strokes));
        setTimeout(() => field.value.trim() && take(`${field.value}\n`), QUIET);
      }
      settle(element);
    } else if (asUs(event)) note(event, element, fast);
    lastKey = event.timeStamp;
  }

  /** Press the button a moment later, unless more keys show that it is a scan. */
  function hold(button, key) {
    const timeout = setTimeout(() => {
      pressed = null;
      button.click();
    }, burstOf(profile()));
    pressed = { key, timeout };
  }

  function forget() {
    if (pressed) clearTimeout(pressed.timeout);
    pressed = null;
  }

  /* --- The focus --- */

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
