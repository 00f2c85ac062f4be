/* What this device knows of a station's scanner: {end, gap_ms, layout, prefix, tested_at}.
   `end`: "Enter", "Tab", "CR", "LF", some of them joined by " + ", or "" for none.
   `gap_ms`: the longest time between two keys. `layout`: "us" (like a US keyboard), "own" (another one, and
   the computer has the same), "wrong", or "" (not known). Measured by the set-up page, used by wedge.js. */

import { layoutHint } from "./keys.js";

const KEY = "tracetrack.profile.";

export function profile(station) {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY + station));
    return typeof kept?.end === "string" && Number.isFinite(kept.gap_ms) ? kept : null;
  } catch { // no storage, or something else in it
    return null;
  }
}

/** False where this device keeps nothing. */
export function saveProfile(station, { end, gap_ms, layout, prefix, tested_at }) {
  try {
    localStorage.setItem(KEY + station, JSON.stringify({ end, gap_ms, layout, prefix, tested_at }));
    return true;
  } catch {
    return false;
  }
}

const swapped = (text) => [...text].map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())).join("");
const without = (expected, text) => [...new Set(expected)].filter((c) => !text.includes(c));

/**
 * What the strokes of one scan of `expected` show. A stroke: {key, us, code, caps, at}; ends have
 * {end: "Enter"} and no key. `text` is what came into the field (by an input method, without keys).
 */
export function measure(strokes, text, expected) {
  const typed = strokes.filter(({ end }) => !end);
  const came = typed.map(({ key }) => key).join("") || text;
  const us = typed.length && typed.every((one) => one.us) ? typed.map((one) => one.us).join("") : "";
  const turned = swapped(came).includes(expected);
  const at = (turned ? swapped(came) : came).indexOf(expected);
  const layout = at >= 0 ? (us.toUpperCase().includes(expected) ? "us" : us && "own") : us.toUpperCase().includes(expected) ? "wrong" : "";
  const start = Math.max(at, layout === "wrong" ? us.toUpperCase().indexOf(expected) : 0, 0);
  return {
    came,
    other: at < 0 && layout !== "wrong" && Math.max(came.length, us.length) < expected.length / 2,
    missing: at >= 0 ? [] : without(expected, came),
    complete: at >= 0,
    prefix: came.slice(0, start),
    suffix: at >= 0 ? came.slice(at + expected.length) : "",
    end: endOf(strokes),
    ...speedOf(strokes),
    caps: turned || strokes.some(({ caps }) => caps),
    layout,
    advice: layoutHint(typed).text,
  };
}

/** The ends behind the last character. */
function endOf(strokes) {
  return strokes.slice(strokes.findLastIndex(({ end }) => !end) + 1).map(({ end }) => end).join(" + ");
}

function speedOf(strokes) {
  const gaps = strokes.slice(1).map(({ at }, n) => at - strokes[n].at).sort((a, b) => a - b);
  return { median_ms: Math.round(gaps[gaps.length >> 1] ?? 0), gap_ms: Math.ceil(gaps.at(-1) ?? 0) };
}
