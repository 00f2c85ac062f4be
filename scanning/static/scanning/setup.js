/* The set-up page: one scan of a known code shows what this scanner does. Also the sheet's Print button. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { asUs, capsHint, hasCaps, isComposed, isControl, isEnd, isTyped } from "./keys.js";
import { measure, profile, saveProfile } from "./profile.js";
import { element, icon } from "./words.js";

const STATION = "tracetrack.station";
const AFTER_END = 250; // ms: a second end key may come
const SILENCE = 1000; // ms: a scanner without an end key has ended
const SLOW = 40; // ms between keys: most scanners are five times as fast
const TOO_SLOW = 80; // ms: hardly to be told from a hand

document.querySelector("[data-part=print]")?.addEventListener("click", () => window.print());

const page = document.querySelector(".setup");
if (page) setUp();

function setUp() {
  const { expected } = page.dataset;
  const part = (name) => page.querySelector(`[data-part="${name}"]`);
  const field = part("field");
  let strokes = [];
  let timer = 0;

  /* --- Which station --- */

  part("station").value = storedStation();
  part("place").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = part("station").value.trim().toUpperCase();
    const good = /^[A-Z0-9][A-Z0-9_-]{0,31}$/.test(name);
    part("problem").textContent = good ? "" : gettext("Use 1 to 32 letters, digits or -, like PACK-1.");
    if (!good) return part("station").select();
    part("station").value = name;
    keepStation(name);
    showKept();
    field.focus();
  });

  /* --- What the scanner types --- */

  document.addEventListener("keydown", (event) => {
    if (event.target === part("station") || !isOfScan(event)) return;
    const end = isEnd(event) && nameOfEnd(event);
    if (end && !strokes.length && !field.value) return; // by hand: a button, or on to the next
    if (end || isControl(event)) event.preventDefault();
    else if (event.target !== field && !isComposed(event)) bring(event);
    if (!strokes.length) field.value = event.target === field ? "" : field.value.slice(-1);
    strokes.push({ key: isTyped(event) ? event.key : "", us: asUs(event), code: event.code, caps: hasCaps(event), at: event.timeStamp, ...(end && { end }) });
    wait(end);
  }, true);
  field.addEventListener("input", () => wait(/[\r\n\t]$/.test(field.value)));
  if (storedStation()) field.focus();
  else part("station").focus();

  function isOfScan(event) {
    return isTyped(event) || isEnd(event) || isComposed(event) || (isControl(event) && strokes.length > 0);
  }

  /** The focus is elsewhere: the key belongs into the field all the same. */
  function bring(event) {
    event.preventDefault();
    field.focus({ preventScroll: true });
    field.value += event.key;
  }

  function wait(ended) {
    clearTimeout(timer);
    timer = setTimeout(finish, ended ? AFTER_END : SILENCE);
  }

  function finish() {
    const found = measure(strokes, field.value.replace(/[\r\n\t]+$/, ""), expected);
    strokes = [];
    if (found.came.length < 4 && !found.other) return;
    show(found);
  }

  /* --- What it means --- */

  function show(found) {
    field.value = found.came;
    field.select();
    if (found.other) return showOther();
    const findings = findingsOf(found);
    const tone = ["no", "again", "yes"].find((one) => findings.some((finding) => finding.tone === one));
    const verdicts = {
      yes: gettext("This scanner is ready"),
      again: gettext("This scanner works. It can be better"),
      no: gettext("This scanner needs a change"),
    };
    part("result").dataset.tone = tone;
    part("verdict").textContent = verdicts[tone];
    part("findings").replaceChildren(...findings.map(row));
    keep(found);
  }

  function showOther() {
    part("result").dataset.tone = "again";
    part("verdict").textContent = gettext("This was another code");
    part("saved").textContent = gettext("Scan the code on this page.");
    part("findings").replaceChildren();
  }

  function keep({ end, gap_ms, layout, prefix }) {
    const station = storedStation();
    const kept = station && saveProfile(station, { end, gap_ms, layout, prefix, tested_at: new Date().toISOString() });
    part("saved").textContent = kept
      ? interpolate(gettext("Kept on this device for station %(station)s."), { station })
      : gettext("Not kept: say above which station this is, and scan again.");
  }

  function showKept() {
    const known = profile(storedStation());
    if (!known) return;
    const day = new Date(known.tested_at).toLocaleDateString(document.documentElement.lang);
    part("saved").textContent = interpolate(gettext("This station was tested on %(day)s. Scan to test it again."), { day });
  }

  showKept();
  page.dataset.ready = "";
}

function row({ tone, title, text }) {
  const made = element("li", "finding", element("span", "sign", icon(tone)), element("strong", "", title), element("p", "", text));
  made.dataset.tone = tone;
  return made;
}

function findingsOf(found) {
  return [characters(found), layout(found), end(found), speed(found), around(found), caps(found)];
}

function characters({ complete, missing }) {
  const title = gettext("Characters");
  if (complete) return { tone: "yes", title, text: gettext("All characters came through.") };
  if (!missing.length) return { tone: "no", title, text: gettext("Some keys were lost or came in another order. Make the scanner type more slowly.") };
  const list = missing.map((one) => (one === " " ? gettext("space") : one)).join(" ");
  return { tone: "no", title, text: interpolate(gettext("These did not come through: %(list)s"), { list }) };
}

function layout({ layout: is, advice, complete }) {
  const title = gettext("Keyboard");
  if (is === "wrong") return { tone: "no", title, text: advice };
  if (is === "us") return { tone: "yes", title, text: gettext("English (US), as it should be.") };
  if (complete) return { tone: "yes", title, text: gettext("The scanner and this computer agree.") };
  return { tone: "no", title, text: gettext("Set both the scanner and the computer to an English (US) keyboard.") };
}

function end({ end: key }) {
  const title = gettext("End of a code");
  if (key) return { tone: "yes", title, text: interpolate(gettext("The scanner sends %(key)s."), { key }) };
  return { tone: "again", title, text: gettext("The scanner sends no end key. This station waits for a short pause instead. Better: set the scanner to send Enter (suffix CR).") };
}

function speed({ median_ms: median, gap_ms: slowest }) {
  const title = gettext("Speed");
  const measured = interpolate(gettext("%(median)s ms between keys, %(slowest)s ms at the slowest."), { median, slowest });
  if (!median) return { tone: "yes", title, text: gettext("The whole code came at once.") };
  if (median > TOO_SLOW) return { tone: "no", title, text: `${measured} ${gettext("This is as slow as a hand. Set the delay between characters to 0.")}` };
  if (median > SLOW || slowest > 3 * SLOW) return { tone: "again", title, text: `${measured} ${gettext("Set the delay between characters to 0, or bring the scanner nearer to its base.")}` };
  return { tone: "yes", title, text: measured };
}

function around({ prefix, suffix }) {
  const title = gettext("Around the code");
  if (/^(?:\][A-Za-z][A-Za-z0-9])?$/.test(prefix) && !suffix) {
    const text = prefix ? interpolate(gettext("%(prefix)s in front of it is taken off."), { prefix }) : gettext("Nothing in front of it, nothing behind it.");
    return { tone: "yes", title, text };
  }
  const extra = [prefix, suffix].filter(Boolean).join(" … ");
  return { tone: "no", title, text: interpolate(gettext("The scanner adds %(extra)s to each code. Switch its prefix and suffix off."), { extra }) };
}

function caps({ caps: on }) {
  const title = gettext("Caps Lock");
  return on ? { tone: "again", title, text: capsHint().text } : { tone: "yes", title, text: gettext("Off, as it should be.") };
}

function nameOfEnd(event) {
  if (event.key === "Enter" || event.key === "Tab") return event.key;
  return event.key.toLowerCase() === "j" || event.code === "KeyJ" ? "LF" : "CR";
}

function storedStation() {
  try {
    return localStorage.getItem(STATION) ?? "";
  } catch { // no storage here
    return "";
  }
}

function keepStation(name) {
  try {
    localStorage.setItem(STATION, name);
  } catch { /* then it holds for this page only */ }
}
