/* Each outcome as a tone (which is also its colour), an icon and a word. */

const OUTCOMES = {
  parent_created: ["yes", "box", "New parent"],
  parent_opened: ["yes", "box", "Parent ready"],
  linked: ["yes", "yes", "Linked"],
  completed: ["done", "done", "Complete"],
  finished: ["done", "done", "Finished"],
  undone: ["undo", "undo", "Taken back"],
  already_linked: ["again", "again", "Already there"],
  not_newest: ["again", "again", "Look again"],
  nothing_to_undo: ["again", "again", "Nothing to take back"],
  linked_elsewhere: ["no", "no", "In another parent"],
  parent_full: ["no", "no", "Parent is full"],
  parent_dispatched: ["no", "no", "Already dispatched"],
  is_parent: ["no", "no", "Is a parent"],
  is_child: ["no", "no", "Scan a parent first"],
  bad_code: ["no", "no", "Not a code"],
  unknown_parent: ["no", "no", "Unknown parent"],
  empty_parent: ["no", "no", "Parent is empty"],
  nothing_to_move: ["no", "no", "In no parent"],
  permission_denied: ["no", "no", "Not for your role"],
};

export function wordsFor(outcome) {
  const [tone, icon, word] = OUTCOMES[outcome] ?? ["no", "no", "Not accepted"];
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
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
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
