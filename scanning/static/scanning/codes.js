/* What a scanner read, turned into a code: the same as bags/codes.py, so that the page can answer at
   once. bags/tests/codes.json tests both. The server decides. */

export const MAX_LENGTH = 255; // characters, as read

// What Python counts as white space, without the separators that scanners send.
const WHITE_SPACE = /[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
const SYMBOLOGY = /^(?:\][A-Z][A-Z0-9] ?)+/; // AIM: ]Q1, ]d2, ]C1, …
const PLAIN_CODE = /^[A-Z0-9][A-Z0-9 ._/:()-]{2,63}$/;
const DOTS = /(?:^|\/)\.{1,2}(?:\/|$)/;
const ASCII = /^[\0-\x7f]*$/;

const LABEL_NUMBER = /LABEL NO[ .:]{0,4}([0-9]{1,32})(?![0-9])/;
const LOT = /LOT NO[ .:]{0,4}([^,]*)/;
const NEXT_FIELD = / ?(?:LABEL NO|LOT NO|D\.O\.T|DOT ?[.:]|DATE OF TEST)/;

const RESERVED = /^TRKCODE[A-Z]{1,16}$/;
const COMMANDS = new Map([
  ["TRKCODEFINISH", "finish"],
  ["TRKCODEUNDO", "undo"],
  ["TRKCODEECHO", "echo"],
  ["TRKCODEHELP", "help"],
  ["TRKCODEOK", "ok"],
]);

/** One line, single spaces, capital letters, no control characters, no AIM prefix. */
export function normalise(raw) {
  const kept = raw.replace(WHITE_SPACE, " ").replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "");
  const upper = kept.normalize("NFC").toUpperCase().normalize("NFC");
  return upper.replace(WHITE_SPACE, " ").replace(/^ | $/g, "").replace(SYMBOLOGY, "");
}

/** "finish", "undo", "echo", "help", "ok": what this text tells the station to do, or null. */
export function command(raw) {
  return (isShort(raw) && COMMANDS.get(normalise(raw))) || null;
}

/** {qr_id, form: "label" | "plain" | "bad", label_no, lot_no}; all but the form are "" of a bad one. */
export function read(raw) {
  const text = isShort(raw) ? normalise(raw) : "";
  if (text.includes("LABEL NO")) return readLabel(text);
  const good = PLAIN_CODE.test(text) && fits(text) && !RESERVED.test(text);
  return good ? code(text, "plain") : code("", "bad");
}

function readLabel(text) {
  const number = LABEL_NUMBER.exec(text)?.[1];
  const lot = LOT.exec(text)?.[1].split(NEXT_FIELD)[0].trim();
  const identity = lot ? `${lot}:${number}` : number;
  return number && fits(identity) ? code(identity, "label", number, lot) : code("", "bad");
}

const code = (qr_id, form, label_no = "", lot_no = "") => ({ qr_id, form, label_no, lot_no });

/** Characters are counted as the server counts them: a surrogate pair is one. */
const isShort = (raw) => raw.length <= MAX_LENGTH || (raw.length <= 2 * MAX_LENGTH && [...raw].length <= MAX_LENGTH);

const fits = (qr_id) => isShort(qr_id) && ASCII.test(qr_id) && !DOTS.test(qr_id);
