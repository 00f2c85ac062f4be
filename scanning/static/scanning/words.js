/* Each outcome as a tone (which is also its colour), an icon and a word. */

import { gettext } from "../tracetrack/i18n.js";

const OUTCOMES = {
  safe: ["wait", "wait", gettext("Safe on this device")],
  parent_created: ["yes", "box", gettext("New parent")],
  parent_opened: ["yes", "box", gettext("Parent ready")],
  linked: ["yes", "yes", gettext("Linked")],
  completed: ["done", "done", gettext("Complete")],
  finished: ["done", "done", gettext("Finished")],
  undone: ["undo", "undo", gettext("Taken back")],
  already_linked: ["again", "again", gettext("Already there")],
  nothing_to_undo: ["again", "again", gettext("Nothing to take back")],
  undo_too_late: ["no", "no", gettext("Too late to take back")],
  linked_elsewhere: ["no", "no", gettext("In another parent")],
  parent_full: ["no", "no", gettext("Parent is full")],
  parent_dispatched: ["no", "no", gettext("Already dispatched")],
  is_parent: ["no", "no", gettext("Is a parent")],
  is_child: ["no", "no", gettext("Scan a parent first")],
  bad_code: ["no", "no", gettext("Not a code")],
  unknown_parent: ["no", "no", gettext("Unknown parent")],
  empty_parent: ["no", "no", gettext("Parent is empty")],
  permission_denied: ["no", "no", gettext("Not for your role")],
  not_kept: ["no", "no", gettext("Not taken")],
};

export function wordsFor(outcome, outcomes = OUTCOMES) {
  const [tone, icon, word] = outcomes[outcome] ?? ["no", "no", gettext("Not accepted")];
  return { tone, icon, word };
}

/** A code as people say it: of a label its number, with its lot apart. */
export function spoken(code) {
  const text = code.replace(/\s+/g, " ").trim();
  const label = /LABEL NO[ .:]{0,4}(\d+)/i.exec(text);
  if (label) return { main: label[1], lot: /LOT NO[ .:]{0,4}([^, ]*)/i.exec(text)?.[1] ?? "" };
  const identity = /^(.+):(\d+)$/.exec(text);
  if (identity) return { main: identity[2], lot: identity[1] };
  return { main: text.length > 40 ? `${text.slice(0, 39)}…` : text, lot: "" };
}

/** Times on the warehouse's clock, whatever the device's zone. */
export function clock(zone) {
  const language = document.documentElement.lang === "hi" ? "hi-IN-u-nu-latn" : "en-GB";
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(language, { timeZone: zone, day: "numeric", month: "short" });
  return {
    time: (at) => time.format(new Date(at)),
    since: (at) => {
      const date = new Date(at);
      const today = day.format(date) === day.format(new Date()) && Date.now() - date < 864e5;
      return today ? time.format(date) : `${day.format(date)}, ${time.format(date)}`;
    },
  };
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function button(text, press, className = "") {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", (event) => press(event.detail === 0)); // whether by keyboard
  return made;
}
