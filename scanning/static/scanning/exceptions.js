/* The inbox works without this: here only what saves a tap. */

for (const details of document.querySelectorAll(".story details")) {
  details.addEventListener("toggle", () => details.open && details.querySelector("[name=reason]").focus());
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    details.querySelector("summary").focus();
  });
}

document.querySelector("#station").addEventListener("change", (event) => event.target.form.requestSubmit());
