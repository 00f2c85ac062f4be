/* The elements of the loading page, and how each state looks on them. Decides nothing. */

import { gettext, interpolate } from "../tracetrack/i18n.js";
import { byKeyboard, createBanner, createQuestion, createVerdict, drawSound, hint, offerKeyboard, onSignIn, partsOf, setText } from "../scanning/panel.js";
import { button, spoken } from "../scanning/words.js";
import { kg, variance, words } from "./loading_words.js";

const PARTS = [
  "banner", "trouble", "others", "waits", "field", "state", "phase", "n", "of", "bar", "verdict", "sign", "word", "detail", "offer",
  "said", "deeds", "ask", "question", "yes", "no", "undo", "finish", "retry", "keys", "list", "empty", "shift", "start-shift",
  "hint", "signin-form", "signin-problem", "password", "help", "close-help", "refused", "stayed", "news",
  "children", "kg", "actual_kg", "expected_kg", "variance_kg",
];

/** `kind` has the words of this page; `inTurn` is panel.js's. */
export function createView(page, kind, { inTurn }) {
  const parts = partsOf(page, PARTS);
  const here = partsOf(document.querySelector("[data-part=here]"), ["mute", "volume"]);
  let answered = () => {};
  const show = createVerdict(parts);
  const drawBanner = createBanner(parts);
  const question = createQuestion(parts, { inTurn, answered: () => answered() });

  function draw({ state, open, newest, feel, ...queue }) {
    drawState(state, open);
    const name = newest && spoken(newest).main;
    parts.undo.disabled = !newest;
    setText(parts.undo.lastElementChild, newest ? interpolate(gettext("Undo %(code)s"), { code: name }) : gettext("Undo"));
    if (parts.finish) parts.finish.disabled = !open;
    drawBanner(queue);
    drawSound({ mute: here.mute, volume: here.volume, shift: parts.shift }, feel);
    parts.empty.hidden = parts.list.childElementCount > 0;
    if (!open) question.close();
  }

  /** As the server said last. What waits is told apart. */
  function drawState(state, open) {
    const { parents, capacity } = state;
    const full = capacity && parents >= capacity;
    setText(parts.phase, !open ? kind.over() : full ? kind.full() : parents ? kind.going() : kind.scan());
    parts.state.dataset.phase = open ? "packing" : "complete";
    setText(parts.n, parents.toLocaleString("en"));
    setText(parts.of, capacity ? ` ${interpolate(gettext("of %(capacity)s"), { capacity })}` : "");
    if (parts.bar) Object.assign(parts.bar, { max: capacity, value: parents });
    setText(parts.children, state.children.toLocaleString("en"));
    for (const name of ["kg", "actual_kg", "expected_kg"]) if (parts[name]) setText(parts[name], kg(state[name]));
    if (!parts.variance_kg) return;
    setText(parts.variance_kg, variance(state.variance_kg));
    parts.variance_kg.classList.toggle("short", Number(state.variance_kg) < 0);
  }

  function news(text) {
    parts.news.hidden = !text;
    setText(parts.news, text);
  }

  function help(shown) {
    parts.help.hidden = !shown;
  }

  offerKeyboard(parts);
  parts["close-help"].addEventListener("click", () => help(false));

  return {
    draw, help, news, show,
    ask: question.ask,
    close: question.close,
    sayYes: question.sayYes,
    hint: (text) => hint(parts, text),
    field: parts.field,
    list: parts.list,
    refused: parts.refused,
    stayed: parts.stayed,
    volume: here.volume,
    offer: (text, press) => button(text, press, "move"),
    onAnswer: (then) => (answered = then),
    onPress: (name, then) => (here[name] ?? parts[name])?.addEventListener("click", (event) => then(byKeyboard(event))),
    onSignIn: (signIn) => onSignIn(parts, signIn, () => answered()),
    outcome: (outcome, more) => show({ ...words(outcome), outcome, ...more }),
  };
}
