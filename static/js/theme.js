// Runs before the first paint: the stored theme and density, and the mark that scripts work.
(() => {
  const root = document.documentElement;
  const read = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const apply = (name, value) => (value ? root.setAttribute(`data-${name}`, value) : root.removeAttribute(`data-${name}`));
  root.classList.add("js");
  for (const name of ["theme", "density"]) apply(name, read(name));
  const press = () => document.querySelectorAll("[data-set]").forEach((button) => {
    const [name, value] = button.dataset.set.split(":");
    button.setAttribute("aria-pressed", String((read(name) || "") === value));
  });
  document.addEventListener("DOMContentLoaded", press);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-set]");
    if (!button) return;
    const [name, value] = button.dataset.set.split(":");
    try { localStorage.setItem(name, value); } catch { /* storage refused: the choice lasts for this page */ }
    apply(name, value);
    press();
  });
})();
