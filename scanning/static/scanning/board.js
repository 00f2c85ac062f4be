/* Keeps the station board true. */

import { keepTrue, load, renew } from "../tracetrack/live.js";

const page = document.querySelector(".board");
keepTrue(page, async () => renew(await (await load(page.dataset.url)).text()));
