/* Keeps the dashboard true: its numbers from the API, the rest as the server draws it. */

import { keepTrue, load, renew } from "../tracetrack/live.js";

const page = document.querySelector(".dashboard");
const asOf = page.querySelector("[data-part=as_of]");
const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: page.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function look() {
  const [stats, parts] = await Promise.all([load(page.dataset.stats), load(page.dataset.live)]);
  show(await stats.json());
  renew(await parts.text());
}

function show(stats) {
  for (const total of page.querySelectorAll("[data-total]")) {
    const text = number.format(stats[total.dataset.total]);
    if (total.textContent !== text) total.textContent = text;
  }
  asOf.dateTime = stats.as_of;
  asOf.textContent = clock.format(new Date(stats.as_of));
}

for (const total of page.querySelectorAll("[data-total]")) total.textContent = number.format(Number(total.textContent));
keepTrue(page, look);
