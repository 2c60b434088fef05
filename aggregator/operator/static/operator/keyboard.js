/* What the theme makes clickable is a button for the keyboard and for screen readers too: Tab reaches it, Enter and Space
   press it, and what it opened gets the focus, and with Escape closes and gives the focus back. */
"use strict";

document.addEventListener("alpine:init", () => {
  const NAMES = { sidebarDesktopOpen: "Menu", sidebarMobileOpen: "Menu", openRelatedWidgetWrapper: "More" };
  let opener = null;

  function focusOn(opened) {
    const inside = [...opened.querySelectorAll("a[href], button, input, select, [tabindex]")];
    inside.find((element) => element.checkVisibility())?.focus();
  }

  function press(button, flag) {
    const opened = flag === "sidebarMobileOpen" ? "#nav-sidebar" : `[x-show="${flag}"]`;
    button.click();
    if (flag && flag !== "sidebarDesktopOpen") { // that one covers nothing
      opener = button;
      setTimeout(() => focusOn(button.closest("[x-data]").querySelector(opened) ?? button));
    }
  }

  for (const button of document.querySelectorAll("[x-on\\:click]:not(a[href], button, input, summary)")) {
    if (!button.textContent.trim() && !button.title) continue; // a backdrop: Escape does the same
    const [, flag] = /^(\w+) = (?:!\1|true)/.exec(button.getAttribute("x-on:click")) ?? [];
    button.tabIndex = 0;
    button.setAttribute("role", "button");
    if (flag in NAMES) button.setAttribute("aria-label", NAMES[flag]);
    if (flag) button.setAttribute("x-bind:aria-expanded", flag);
    if (flag && flag !== "sidebarDesktopOpen") button.setAttribute("x-on:keydown.escape.window", `${flag} = false`);
    button.addEventListener("keydown", (event) => {
      if (event.target !== button || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      press(button, flag);
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    opener?.focus();
    opener = null;
  });
});
