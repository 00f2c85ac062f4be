/* Light or dark, and which language: what this device keeps for itself. A classic script in the head,
   so that the theme is there before the first paint. */

(() => {
  "use strict";

  const KEY = "tracetrack.theme"; // "light" or "dark"; nothing: as the device
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = kept();

  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch { // no storage here
      return null;
    }
  }

  function keep() {
    try {
      if (chosen) localStorage.setItem(KEY, chosen);
      else localStorage.removeItem(KEY);
    } catch { /* then it holds for this page */ }
  }

  function show() {
    if (chosen !== "light" && chosen !== "dark") chosen = null;
    root.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (chosen ?? "device")));
    }
  }

  show();
  dark.addEventListener?.("change", show);
  document.addEventListener("DOMContentLoaded", show);
  window.addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    chosen = event.newValue;
    show();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) {
      chosen = button.dataset.themeChoice;
      show();
      keep();
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  /* Forms. Somebody may have signed in again since the page was made: the cookie's token is the newest. */

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
    const field = form.querySelector("input[name=csrfmiddlewaretoken]");
    if (token && field) field.value = token;
    if (!("language" in form.dataset)) return;
    event.preventDefault();
    choose(form, event.submitter.value);
  }, { capture: true });

  /** Without a connection the page must stay: a station works on. */
  async function choose(form, language) {
    const body = new URLSearchParams({ language });
    const headers = { "X-CSRFToken": form.querySelector("input[name=csrfmiddlewaretoken]").value, Accept: "application/json" };
    try {
      const response = await fetch(form.action, { method: "POST", body, headers, credentials: "same-origin", signal: AbortSignal.timeout(5000) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      location.replace(location.pathname + location.search); // by GET, whatever made this page
    } catch {
      form.querySelector("[role=status]").textContent = form.dataset.failed;
    }
  }
})();
