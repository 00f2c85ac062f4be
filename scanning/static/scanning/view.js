/* The station page's elements, and how each state looks on them. Decides nothing. */

import { element, icon } from "./words.js";

const FLASH = 700; // ms: a good scan shines this long, what went wrong stays until the next scan
const BANNERS = {
  away: (waits) => `No connection. ${waits} on this device.`,
  busy: (waits) => `The server is busy. ${waits} on this device.`,
  renew: (waits) => `Trying again. ${waits} on this device.`,
};
const FULL = "This device can keep no more. Don't close this page before all scans are sent.";

const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const byKeyboard = (event) => event.detail === 0;

export function createView(page, { login }) {
  const find = (name) => page.querySelector(`[data-part="${name}"]`);
  const parts = Object.fromEntries(["banner", "trouble", "others", "field", "state", "phase", "parent", "count", "n", "of", "bar",
    "verdict", "sign", "word", "detail", "offer", "said", "deeds", "ask", "question", "yes", "no", "undo", "finish",
    "retry", "signin", "keys", "chooser", "packing", "name", "problem", "list", "empty"].map((name) => [name, find(name)]));
  const header = document.querySelector("[data-part=here]");
  const stationName = header.querySelector("[data-part=station]");
  parts.mute = header.querySelector("[data-part=mute]");
  parts.change = header.querySelector("[data-part=change]");
  let asked = null; // {question, parent, then}
  let answered = () => {};
  let chosen = () => "";
  let flash = 0;

  const setText = (part, text) => part.textContent !== text && (part.textContent = text);

  /* What came of a scan, in the largest part of the page. */

  function show({ tone, icon: sign, word, detail, outcome, offer = null }) {
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
    stationName.textContent = now.station ?? "";
    header.hidden = !now.station;
    const expected = now.trouble && now.expected;
    setText(parts.phase, expected ? "Not sent yet" : now.phase);
    parts.state.dataset.phase = now.open || expected ? "packing" : now.parent ? "complete" : "waiting";
    drawParent(expected ? { qr_id: expected } : now.parent);
    drawDeeds(now);
    drawBanner(now);
    parts.mute.replaceChildren(icon(now.muted ? "mute" : "sound"));
    parts.mute.setAttribute("aria-label", now.muted ? "Sound is off. Turn it on" : "Sound is on. Turn it off");
    parts.empty.hidden = parts.list.childElementCount > 0;
    if (asked && now.open && asked.parent === now.parent.qr_id) setText(parts.question, wording());
    else if (asked) answer();
  }

  function drawParent(parent) {
    parts.parent.hidden = !parent;
    parts.count.hidden = parts.bar.hidden = !parent?.capacity;
    if (!parent) return;
    setText(parts.parent, parent.qr_id);
    parts.parent.classList.toggle("long", parent.qr_id.length > 12);
    if (!parent.capacity) return;
    setText(parts.n, String(parent.child_count));
    setText(parts.of, ` of ${parent.capacity}`);
    parts.bar.max = parent.capacity;
    parts.bar.value = parent.child_count;
  }

  function drawDeeds({ open, parent, link, older, waiting }) {
    const name = link && (/:(\d+)$/.exec(link.child)?.[1] ?? link.child ?? link.code);
    parts.undo.disabled = waiting > 0 || !(link || older);
    parts.undo.lastElementChild.textContent = link ? `Undo ${name}` : older ? "Undo the last link" : "Undo";
    parts.finish.disabled = !open || !parent.child_count;
    parts.finish.lastElementChild.textContent = open ? `Finish ${parent.qr_id}` : "Finish";
  }

  function drawBanner({ waiting, trouble, full, others }) {
    const waits = count(waiting, "scan waits", "scans wait");
    const signIn = trouble?.why === "sign_in";
    let text = full ? FULL : "";
    if (trouble && waiting) {
      text ||= signIn ? `Sign in again to send ${count(waiting, "scan", "scans")}.` : BANNERS[trouble.why](waits);
    }
    parts.trouble.hidden = !text;
    setText(parts.trouble.firstElementChild, text);
    parts.signin.hidden = !signIn;
    parts.signin.href = login;
    parts.retry.hidden = !trouble || signIn;
    parts.others.hidden = !others;
    if (others) setText(parts.others, `${count(others, "scan", "scans")} of another person wait in this tab, until that person signs in here.`);
  }

  /* A question on the page. Scans go on meanwhile, and never press a button. */

  function ask({ question, yes, no, parent, byKeyboard: keys }, then) {
    asked = { question, parent, then };
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

  parts.yes.addEventListener("click", () => asked && answer(asked.then));
  parts.no.addEventListener("click", () => answer());

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
      : "Use 1 to 32 letters, digits or -, like PACK-1.";
    parts.problem.textContent = problem;
    if (problem) parts.name.select();
  }

  parts.chooser.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(event.submitter?.value || parts.name.value);
  });

  /* A phone shows its keyboard only when somebody wants to type. */

  const coarse = window.matchMedia("(pointer: coarse)").matches;
  parts.keys.hidden = !coarse;
  if (coarse) parts.field.inputMode = "none";
  parts.keys.addEventListener("click", () => {
    parts.field.inputMode = parts.field.inputMode === "none" ? "text" : "none";
    parts.field.blur();
    parts.field.focus();
  });

  function button(text, press) {
    const made = element("button", "move", text);
    made.type = "button";
    made.addEventListener("click", (event) => press(byKeyboard(event)));
    return made;
  }

  return {
    ask, button, choose, draw, open, show,
    field: parts.field,
    list: parts.list,
    isOpen: () => parts.chooser.hidden,
    onAnswer: (then) => (answered = then),
    onChosen: (then) => (chosen = then),
    onPress: (name, then) => parts[name].addEventListener("click", (event) => then(byKeyboard(event))),
  };
}
