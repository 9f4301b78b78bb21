// What HTML cannot do alone: menus close when one looks elsewhere, messages can be put away,
// and dialogs open in browsers that do not know command= yet. Every page works without it.
"use strict";
{
  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  };

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details.menu"));
    event.target.closest("[data-dismiss]")?.closest(".message").remove();

    const opener = event.target.closest("[commandfor]");
    if (opener && !("commandForElement" in opener)) {
      const dialog = document.getElementById(opener.getAttribute("commandfor"));
      opener.getAttribute("command") === "close" ? dialog.close() : dialog.showModal();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement.closest("details.menu[open]");
    closeMenus();
    menu?.querySelector("summary").focus();
  });
}
