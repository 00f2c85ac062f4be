/* What this person must decide: late refusals that the server keeps open, and scans that it has no
   record of. The supervisors' inbox shows the first ones too. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { token, uuid } from "./sending.js";
import { button, element, icon, spoken, wordsFor } from "./words.js";

const TIMEOUT = 5000; // ms

export function createDecisions(section, { url, user, times, drop, again }) {
  const list = section.querySelector("ol");
  let open = [];
  let refused = [];
  let station = "";
  let stale = false; // there is news, but somebody writes a reason

  async function load(name) {
    station = name;
    try {
      const query = new URLSearchParams({ station, mine: "1" });
      const response = await fetch(`${url}?${query}`, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
      if (!response.ok) return;
      open = (await response.json()).results;
    } catch {
      return; // the next late refusal or reload asks again
    }
    draw();
  }

  function drawRefused(items) {
    if (items.length === refused.length) return;
    refused = items;
    draw();
  }

  function draw() {
    stale = Boolean(list.querySelector("form:focus-within"));
    if (stale) return;
    list.replaceChildren(...refused.map(refusedRow), ...open.map(row));
    section.hidden = !list.childElementCount;
  }

  function frame(code, outcome, sentence, at) {
    const { tone, icon: sign, word } = wordsFor(outcome);
    const made = element("li", "decision", element("p", "", icon(sign), " ", element("span", "code", spoken(code).main), " ", element("strong", "", word)));
    made.dataset.tone = tone;
    made.append(element("p", "small", sentence), element("p", "small soft", times.since(at)));
    return made;
  }

  function refusedRow(item) {
    const made = frame(item.code ?? "", item.result.outcome, interpolate(
      gettext("The server did not take this: %(reason)s Tell your supervisor."), { reason: item.result.detail ?? "" },
    ), item.at);
    if (item.parent) made.append(element("p", "small", interpolate(gettext("It was scanned into %(parent)s."), { parent: item.parent })));
    const deeds = element("div", "choices", button(gettext("Send again"), () => again(item.id)));
    deeds.append(button(gettext("Remove from this device"), () => drop(item.id)));
    made.append(deeds);
    return made;
  }

  function row(one) {
    const held = one.held_by;
    const where = held && interpolate(gettext("Now in %(parent)s, by %(by)s, %(at)s."), { parent: held.qr_id, by: held.by ?? "?", at: times.since(held.at) });
    const made = frame(one.code, one.outcome, [one.detail, where].filter(Boolean).join(" "), one.happened_at);
    const problem = element("p", "error");
    problem.setAttribute("role", "alert");
    const settle = (resolution, reason = "") => resolve(one, resolution, reason, problem);
    const deeds = element("div", "choices");
    if (one.may_move) {
      const text = one.kind === "undo" ? gettext("Take it out") : interpolate(gettext("Put it in %(parent)s"), { parent: one.parent });
      deeds.append(button(text, () => settle("moved")));
    }
    deeds.append(button(gettext("Keep as it is"), () => settle("kept")), button(gettext("Dismiss"), () => deeds.replaceWith(dismissal(settle))));
    made.append(deeds, problem);
    return made;
  }

  function dismissal(settle) {
    const form = element("form", "choices");
    const reason = element("input");
    Object.assign(reason, { required: true, maxLength: 500, placeholder: gettext("Why?") });
    reason.setAttribute("aria-label", gettext("Why?"));
    form.append(reason, element("button", "", gettext("Dismiss")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      reason.blur();
      settle("dismissed", reason.value);
    });
    form.addEventListener("focusout", () => setTimeout(() => stale && draw()));
    setTimeout(() => reason.focus());
    return form;
  }

  async function resolve({ id }, resolution, reason, problem) {
    try {
      const response = await fetch(`${url}${id}/resolve`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token(), "X-User": user },
        body: JSON.stringify({ resolution, reason, item_id: uuid() }),
        signal: AbortSignal.timeout(TIMEOUT),
      });
      const body = await response.json();
      if (!response.ok && body.code !== "already_resolved") problem.textContent = body.detail;
      else await load(station);
    } catch {
      problem.textContent = gettext("No connection. Try again.");
    }
  }

  return { load, drawRefused };
}
