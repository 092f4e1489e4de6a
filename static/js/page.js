// Small helps on every page: copy a digest, close menus, select rows, print with the address.
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      const status = document.getElementById("live");
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        status.textContent = "Copied.";
      } catch {
        status.textContent = "This browser does not allow copying here. The full value is: " + button.dataset.copy;
      }
      return;
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.matches?.("[data-select], [data-select-all]")) return;
    const table = box.closest("table");
    const boxes = [...table.querySelectorAll("[data-select]")];
    if (box.matches("[data-select-all]")) boxes.forEach((one) => { one.checked = box.checked; });
    boxes.forEach((one) => one.closest("tr").setAttribute("aria-selected", String(one.checked)));
    const count = boxes.filter((one) => one.checked).length;
    document.getElementById("live").textContent = `${count} of ${boxes.length} rows selected on this page.`;
  });
  // What the page asks by itself, every few seconds, is no sign that somebody is there.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.triggeringEvent) event.detail.headers["X-Asked-By"] = "page";
  });
  // What a swap brought is said aloud: a live region that was itself swapped in is often not read.
  document.addEventListener("htmx:afterSettle", (event) => {
    const said = event.detail.elt.querySelector("[data-announce]") || event.detail.elt.closest?.("[data-announce]");
    if (said) document.getElementById("live").textContent = said.textContent;
  });
  window.addEventListener("beforeprint", () => document.querySelectorAll("[data-address]").forEach((slot) => { slot.textContent = location.href; }));
})();
