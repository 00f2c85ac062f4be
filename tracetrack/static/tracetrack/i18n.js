/* Words in the page's language. Without a catalogue (English, or it did not come) they stay English. */

const catalogue = globalThis.django ?? {};

export function gettext(text) {
  return catalogue.gettext?.(text) ?? text;
}

export function ngettext(one, many, count) {
  return catalogue.ngettext?.(one, many, count) ?? (count === 1 ? one : many);
}

/** interpolate("%(count)s of %(capacity)s", {count: 2, capacity: 30}) */
export function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));
}
