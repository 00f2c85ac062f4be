/* Where codes end in text. An end is CR, LF, CRLF or Tab. A label may bear line breaks of its own: those
   don't end it as long as fields of a label follow. */

import { normalise } from "./codes.js";

export const ENDS = /\r\n|[\r\n\t]/;
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
