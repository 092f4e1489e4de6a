// Keyboard: g then w, m, d or r; / for search; ? for help. Can be turned off (WCAG 2.1.4).
(() => {
  const NAME = "shortcuts";
  const off = () => { try { return localStorage.getItem(NAME) === "off"; } catch { return false; } };
  let waiting = 0;
  const typing = (node) => node.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (off() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "?") {
      const help = document.getElementById("shortcuts");
      if (help && !help.open) { help.showModal(); event.preventDefault(); }
    } else if (event.key === "/") {
      const box = document.querySelector(".search input");
      if (box) { box.focus(); event.preventDefault(); }
    } else if (event.key === "g") {
      waiting = Date.now();
    } else if (Date.now() - waiting < 1500) {
      waiting = 0;
      const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector("[data-shortcuts]");
    if (!box) return;
    box.checked = !off();
    box.addEventListener("change", () => {
      try { localStorage.setItem(NAME, box.checked ? "on" : "off"); } catch { /* storage refused: nothing to keep */ }
    });
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-help]")) document.getElementById("shortcuts").showModal();
  });
})();
