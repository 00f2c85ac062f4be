/* A scan anywhere on the page looks the bag up. The scanner's engine belongs to the station. */

const form = document.querySelector(".search");
const field = form.elements.q;
const { listen } = await import(form.dataset.wedge);

// Not where somebody has begun to type already.
if (document.activeElement === field && field.value === field.defaultValue) field.select();

listen({
  field,
  keepsFocus: false,
  onCode: (code) => {
    field.value = code;
    form.requestSubmit();
  },
}).wake();
