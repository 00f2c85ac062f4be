/* A scan anywhere on the page looks the bag up. The scanner's engine belongs to the station. */

const form = document.querySelector(".search");
const field = form.elements.q;
const { listen } = await import(form.dataset.wedge);

field.setSelectionRange(field.value.length, field.value.length);
if (field.hasAttribute("autofocus")) field.select();

listen({
  field,
  keepsFocus: false,
  onCode: (code) => {
    field.value = code;
    form.requestSubmit();
  },
});
