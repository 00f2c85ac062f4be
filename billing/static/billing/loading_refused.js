/* What was scanned and not loaded, until it is or somebody has seen to it: the heap beside the truck. And
   apart from it what was not taken off. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { button, element, icon, spoken } from "../scanning/words.js";
import { emptySentence, words } from "./loading_words.js";

export function createRefused(section, { kind, billAt, times, accept, drop, again }) {
  const list = section.querySelector("ol");
  section.querySelector("button").addEventListener("click", () => drop(items.map(({ id }) => id)));
  let items = [];

  function draw(now) {
    const same = now.length === items.length && now.every(({ id }, place) => id === items[place].id);
    if (same) return;
    items = now;
    list.replaceChildren(...items.map(row));
    section.hidden = !items.length;
  }

  function row(item) {
    const { result } = item;
    const { tone, icon: sign, word } = words(result.outcome);
    const { main } = spoken(item.code);
    const what = item.kind === "off" ? [element("strong", "", kind.notOff(main))] : [element("span", "code", main), " ", element("strong", "", word)];
    const told = element("div", "words", element("p", "", icon(sign), " ", ...what));
    told.append(element("p", "small", sentence(item), " ", holder(result.held_by) || times.since(item.at)));
    const made = element("li", "decision", told, deeds(item));
    made.dataset.tone = tone;
    return made;
  }

  function sentence({ code, result: { recorded, outcome, detail = "" } }) {
    if (outcome === "on_other_bill") return ""; // the link says it
    if (outcome === "empty_parent") return emptySentence(spoken(code).main);
    return recorded ? detail : interpolate(gettext("The server did not take this: %(reason)s Tell your supervisor."), { reason: detail });
  }

  function holder(held) {
    if (!held) return "";
    const link = element("a", "", interpolate(gettext("Bill %(number)s, by %(by)s, %(at)s"), { number: held.number, by: held.by ?? "?", at: times.since(held.at) }));
    link.href = billAt(held.bill);
    return link;
  }

  function deeds(item) {
    const made = element("div", "choices");
    if (item.result.outcome === "empty_parent") made.append(button(gettext("Load it"), () => accept(item)));
    if (!item.result.recorded) made.append(button(gettext("Send again"), () => again(item.id)));
    made.append(button(gettext("Seen to"), () => drop([item.id])));
    return made;
  }

  return { draw };
}
