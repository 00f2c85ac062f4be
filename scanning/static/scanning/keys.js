/* What a key says: about the code, and about the keyboard that the scanner plays. Browsers give the
   character (event.key, by the computer's layout) and the place (event.code). A scanner that is set to
   a US keyboard presses the places of a US keyboard, whatever the computer makes of them. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { command, normalise, read } from "./codes.js";

export const BURST = 60; // ms: keys this close together come from a scanner, not from a hand
export const SLOWEST = 120; // ms: a hand is faster than a scanner that is slower than this

const PLACES = {
  Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Semicolon: ";:",
  Quote: "'\"", Backquote: "`~", Comma: ",<", Period: ".>", Slash: "/?", Space: "  ",
};
const OVER_DIGITS = ")!@#$%^&*(";

/** What a US keyboard types with this key, or "" where it has none there. */
export function asUs({ code, key, shiftKey }) {
  const place = /^(?:Key([A-Z])|Digit(\d))$/.exec(code);
  if (place?.[1]) return shiftKey ? place[1] : place[1].toLowerCase();
  if (place) return shiftKey ? OVER_DIGITS[place[2]] : place[2];
  if (/^Numpad/.test(code)) return key.length === 1 ? key : "";
  return PLACES[code]?.[shiftKey ? 1 : 0] ?? "";
}

/** A control character as scanners send it: Ctrl and a key. */
export const isControl = ({ key, ctrlKey, altKey, metaKey }) => ctrlKey && !altKey && !metaKey && key.length === 1;

/** GS, which stands between the fields of some codes: Ctrl+]. */
export const isSeparator = (event) => isControl(event) && (event.key === "]" || event.code === "BracketRight");

/** Enter, Tab, CR (Ctrl+M), LF (Ctrl+J). */
export const isEnd = (event) =>
  event.key === "Enter" || (event.key === "Tab" && !event.shiftKey) ||
  (isControl(event) && (/^[jm]$/i.test(event.key) || ["KeyJ", "KeyM"].includes(event.code)));

/** A key that types. Some keys of Indian layouts type two or three characters at once. */
export const isTyped = (event) =>
  (event.key.length === 1 || event.key.charCodeAt(0) > 127) && !event.metaKey &&
  (!(event.ctrlKey || event.altKey) || event.getModifierState("AltGraph"));

/** Typed keys turn into letters elsewhere: an input method (for Hindi, say) is on. */
export const isComposed = (event) => event.isComposing || event.key === "Process";

/** Shift makes small letters only while Caps Lock is on, even where the browser does not say so. */
export const hasCaps = (event) =>
  event.getModifierState("CapsLock") || (event.shiftKey && /^[a-z]$/.test(event.key));

/** How close a scanner's keys are together, at a station with this profile (or none). */
export const burstOf = (profile) => Math.min(Math.max(BURST, 1.5 * (profile?.gap_ms ?? 0)), SLOWEST);

/** 2: certainly one of ours. 1: may be. 0: no code. */
export function worth(text, isParent = () => false) {
  const { form } = read(text);
  if (form === "label" || command(text) || (form === "plain" && isParent(text))) return 2;
  return form === "plain" ? 1 : 0;
}

/* --- Which layout the computer has --- */

const SCRIPTS = {
  Hindi: /\p{Script=Devanagari}/u,
  Russian: /\p{Script=Cyrillic}/u,
  Greek: /\p{Script=Greek}/u,
  Arabic: /\p{Script=Arabic}/u,
};
const FOREIGN = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u;

/** The layout's name, from strokes ({key, code}). */
export function layoutName(strokes) {
  const text = strokes.map(({ key }) => key).join("");
  const has = (code, key) => strokes.some((one) => one.code === code && one.key.toLowerCase() === key);
  if (SCRIPTS.Hindi.test(text)) return gettext("Hindi");
  if (SCRIPTS.Russian.test(text)) return gettext("Russian");
  if (SCRIPTS.Greek.test(text)) return gettext("Greek");
  if (SCRIPTS.Arabic.test(text)) return gettext("Arabic");
  if (has("KeyA", "q") || has("KeyQ", "a") || has("Digit1", "&")) return gettext("French (AZERTY)");
  if (has("KeyZ", "y") || has("KeyY", "z") || has("Semicolon", "ö")) return gettext("German (QWERTZ)");
  return gettext("another language");
}

/* --- What is wrong, and how to mend it --- */

const CAPS = () => gettext("Caps Lock is on. Press Caps Lock once to switch it off.");
const LAYOUT = () => gettext(
  "The scanner types for an English (US) keyboard, but this computer is set to %(layout)s. Set the computer to English (US).",
);

const END = () => gettext(
  "The scanner sends no Enter behind the code. Set it to send Enter, or test it on the set-up page.",
);

export const endHint = () => ({ kind: "end", text: END() });
export const capsHint = () => ({ kind: "caps", text: CAPS() });
export const layoutHint = (strokes) => ({
  kind: "layout",
  text: interpolate(LAYOUT(), { layout: layoutName(strokes) }),
});

/**
 * What the strokes of one code tell: {us: what a US keyboard would have typed (null: not known), hint}.
 * A code that reads well is never called garbled, unless the profile says that this station garbles.
 */
export function judge(text, strokes, { isParent, profile, fits = false }) {
  if (!strokes.length) return { us: null, hint: null };
  const known = strokes.every(({ us }) => us);
  const us = known ? strokes.map((one) => one.us).join("") : null;
  const hint = (isGarbled(text, us, { isParent, layout: fits ? "own" : profile?.layout }) && layoutHint(strokes)) ||
    (strokes.some(({ caps }) => caps) ? capsHint() : null);
  return { us, hint };
}

function isGarbled(text, us, { isParent, layout }) {
  const worthNow = worth(text, isParent);
  if (us === null) return worthNow === 0 && (FOREIGN.test(text) || /LQBEL/i.test(text));
  const worthThere = worth(us, isParent);
  if (layout === "wrong" && normalise(us) !== normalise(text)) return true;
  return worthThere > worthNow && (worthThere === 2 || layout !== "own");
}
