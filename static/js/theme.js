// Which theme a person chose, set on <html> before the first paint. "auto" follows the system.
// Loaded in the head, without defer, by our pages and by the admin.
"use strict";
{
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is switched off: the choice lasts for this page
    }
  }

  function show(theme) {
    root.dataset.theme = ["dark", "light"].includes(theme) ? theme : "auto";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === root.dataset.theme));
    }
  }

  show(stored());
  document.addEventListener("DOMContentLoaded", () => show(root.dataset.theme));
  window.addEventListener("storage", (event) => event.key === "theme" && show(event.newValue));
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
    if (!choice) return;
    show(choice);
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // as above
    }
  });
}
