/* The words of the two pages: loading a bill, and taking back what came home. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { wordsFor } from "../scanning/words.js";

const OUTCOMES = {
  safe: ["wait", "wait", gettext("Safe on this device")],
  loaded: ["yes", "yes", gettext("Loaded")],
  last: ["done", "done", gettext("Loaded. The bill is full")],
  half_full: ["again", "again", gettext("Loaded, not full")],
  empty: ["again", "again", gettext("Loaded, empty")],
  unloaded: ["undo", "undo", gettext("Taken off")],
  already_on_bill: ["again", "again", gettext("Already on this bill")],
  on_other_bill: ["no", "no", gettext("On another bill")],
  bill_full: ["no", "no", gettext("Bill is full")],
  bill_completed: ["no", "no", gettext("Bill is completed")],
  empty_parent: ["no", "no", gettext("Parent is empty")],
  not_on_bill: ["again", "again", gettext("Not on this bill")],
  returned: ["yes", "yes", gettext("Back")],
  taken_back: ["undo", "undo", gettext("On its bill again")],
  already_returned: ["again", "again", gettext("Already on this ticket")],
  not_dispatched: ["no", "no", gettext("Did not leave")],
  not_returned: ["again", "again", gettext("Not on this ticket")],
  bag_changed: ["no", "no", gettext("Changed since it came back")],
  ticket_closed: ["no", "no", gettext("Ticket is closed")],
  unknown_parent: ["no", "no", gettext("Unknown parent")],
  is_child: ["no", "no", gettext("Is a child")],
  bad_code: ["no", "no", gettext("Not a code")],
  nothing_to_undo: ["again", "again", gettext("Nothing to take back")],
  permission_denied: ["no", "no", gettext("Not for your role")],
  not_kept: ["no", "no", gettext("Not taken")],
};

export const words = (outcome) => wordsFor(outcome, OUTCOMES);

/** What the word of an answer is: a parent that is not full, and the last one, have their own. */
export function nameOf({ outcome, warning, state }) {
  if (outcome !== "loaded") return outcome;
  return warning ?? (state?.parents === state?.capacity ? "last" : outcome);
}

/** Kilograms come as texts with all their digits: "128.000" is 128. */
export function kg(text) {
  return interpolate(gettext("%(n)s kg"), { n: number(text) });
}

export function variance(text) {
  const n = Number(text);
  return interpolate(gettext("%(n)s kg"), { n: n > 0 ? `+${number(text)}` : number(text) });
}

function number(text) {
  const n = Number(text);
  return `${n < 0 ? "−" : ""}${Math.abs(n).toLocaleString("en", { maximumFractionDigits: 3 })}`;
}

/** What the page knows without the server. Where it is closed, it also knows what is on it. */
const TOLD = {
  bad_code: gettext("This is not a code."),
  is_child: gettext("%(code)s is a child. Scan its parent."),
  already_on_bill: gettext("%(code)s is on this bill already."),
  already_returned: gettext("%(code)s is on this ticket already."),
  bill_completed: gettext("The bill is completed. %(code)s is not on it."),
  ticket_closed: gettext("The ticket is closed. %(code)s is not on it."),
};
const TOLD_ON = {
  bill_completed: gettext("The bill is completed. %(code)s is on it."),
  ticket_closed: gettext("The ticket is closed. %(code)s is on it."),
};
export const toldSentence = (outcome, code, stands) => interpolate((stands && TOLD_ON[outcome]) || TOLD[outcome], { code });

export const emptySentence = (code) => interpolate(gettext("%(code)s has no children."), { code });

/** What a page says of its own deeds. `open`: something can still be scanned onto it. */
export const KINDS = {
  bill: {
    isBill: true,
    isOpen: ({ status }) => status !== "completed",
    closed: "bill_completed",
    already: "already_on_bill",
    scan: () => gettext("Scan a parent"),
    going: () => gettext("Loading"),
    full: () => gettext("The bill is full"),
    over: () => gettext("Completed"),
    off: (code) => interpolate(gettext("Remove %(code)s"), { code }),
    waitsOff: () => gettext("Taken off, not sent yet"),
    notOff: (code) => interpolate(gettext("%(code)s was not taken off: it is on the bill."), { code }),
    nothing: () => gettext("Nothing was loaded on this page that could be taken off."),
    changed: () => gettext("Somebody changed the bill."),
    came: (by, codes) => interpolate(gettext("%(by)s loaded %(codes)s."), { by, codes }),
    leaving: () => gettext("The last scans are on their way. Then the bill can be completed."),
  },
  ticket: {
    isBill: false,
    isOpen: ({ status }) => status === "open",
    closed: "ticket_closed",
    already: "already_returned",
    scan: () => gettext("Scan a parent that came back"),
    going: () => gettext("Taking back"),
    full: () => gettext("Taking back"),
    over: () => gettext("Closed"),
    off: (code) => interpolate(gettext("Put %(code)s back on its bill"), { code }),
    waitsOff: () => gettext("Put back, not sent yet"),
    notOff: (code) => interpolate(gettext("%(code)s was not put back on its bill: it is on this ticket."), { code }),
    nothing: () => gettext("Nothing was scanned on this page that could be put back."),
    changed: () => gettext("Somebody changed the ticket."),
    came: (by, codes) => interpolate(gettext("%(by)s scanned %(codes)s."), { by, codes }),
    leaving: () => gettext("The last scans are on their way. Then the ticket can be closed."),
  },
};
