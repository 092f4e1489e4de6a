// Forms: warn before leaving unsaved text, send once, bring the error summary to the reader.
(() => {
  const dirty = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-guard]");
    if (form) dirty.add(form);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    dirty.delete(form);
    if (form.method === "post" && !form.hasAttribute("hx-post")) form.dataset.sent = "1";
  });
  // A form brought back from the browser's page cache may be sent again.
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
  window.addEventListener("beforeunload", (event) => {
    for (const form of dirty) if (form.isConnected) { event.preventDefault(); return; }
  });
  const focusErrors = (scope) => {
    const summary = scope.querySelector(".errors");
    if (summary) summary.focus();
    return Boolean(summary);
  };
  document.addEventListener("DOMContentLoaded", () => focusErrors(document));
  // After a swap the focus must not fall to <body>: errors first, else the swapped part itself.
  document.addEventListener("htmx:afterSettle", (event) => {
    const part = event.detail.elt;
    if (focusErrors(part) || document.activeElement !== document.body || !event.detail.requestConfig?.triggeringEvent) return;
    if (event.detail.requestConfig.triggeringEvent.type === "load") return;
    part.setAttribute("tabindex", "-1");
    part.focus({ preventScroll: true });
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-submit-on-change]");
    if (form) form.requestSubmit();
  });
})();
