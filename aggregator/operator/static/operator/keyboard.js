/* What the theme makes clickable, at once or later, is a button for the keyboard and for screen readers too: Tab reaches
   it, Enter and Space press it, and what it opened gets the focus, and with Escape closes and gives the focus back. So
   do the search over everything (Ctrl+K) and its results; a choice that is searched in is called what its label says. */
"use strict";

document.addEventListener("alpine:init", () => {
  const NAMES = { sidebarDesktopOpen: "Menu", sidebarMobileOpen: "Menu", openRelatedWidgetWrapper: "More" };
  const CLICKABLE = "[x-on\\:click]:not(a[href], button, input, summary)";
  const SEARCH = '[x-show="openCommandResults"]';
  const buttons = new WeakSet();
  let opener = null;

  const shown = (selector) => [...document.querySelectorAll(selector)].find((element) => element.checkVisibility());
  const onceShown = (what) => requestAnimationFrame(() => setTimeout(what)); // the theme shows and hides by frames
  const searchField = () => document.getElementById("search-input-command");

  function press(button, flag) {
    button.click();
    if (flag && flag !== "sidebarDesktopOpen") { // that one covers nothing
      opener = button;
      onceShown(() => {
        const opened = shown(flag === "sidebarMobileOpen" ? "#nav-sidebar" : `[x-show="${flag}"]`);
        const inside = [...(opened ?? button).querySelectorAll("a[href], button, input, select, [tabindex]")];
        inside.find((element) => element.checkVisibility())?.focus();
      });
    }
  }

  function makeButton(button) {
    if (buttons.has(button)) return; // the theme moved it
    if (!button.textContent.trim() && !button.title) return; // a backdrop: Escape does the same
    buttons.add(button);
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

  function nameChoice(box) {
    const label = box.closest(".select2-container").previousElementSibling?.labels?.[0];
    if (!label) return;
    const value = box.querySelector(".select2-selection__rendered");
    label.id ||= `${label.htmlFor}_label`;
    box.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
    value.setAttribute("aria-labelledby", label.id);
  }

  function nameOpenChoice(field) {
    const box = document.querySelector(".select2-container--open .select2-selection");
    const [label] = box.getAttribute("aria-labelledby").split(" ");
    field.setAttribute("aria-labelledby", label);
    document.getElementById(box.getAttribute("aria-owns"))?.setAttribute("aria-labelledby", label);
  }

  function nameScroller(part) {
    const inline = part.closest("[data-inline-type]")?.querySelector("h2");
    part.setAttribute("aria-label", part.closest("#nav-sidebar") ? "Menu" : inline?.textContent.trim() ?? "List");
  }

  function equip(root) {
    const each = (selector, what) => {
      if (root.matches(selector)) what(root);
      root.querySelectorAll(selector).forEach(what);
    };
    each(CLICKABLE, makeButton);
    each(".select2-selection", nameChoice);
    each(".simplebar-content-wrapper", nameScroller);
  }

  equip(document.documentElement);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node instanceof Element) equip(node);
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  const search = document.querySelector(SEARCH);
  if (search) { // the theme gives it the focus after 20 ms: too soon where it is drawn later
    new MutationObserver(() => {
      if (search.checkVisibility() && !search.contains(document.activeElement)) searchField().focus();
    }).observe(search, { attributeFilter: ["style"] });
  }

  document.addEventListener("focusin", ({ target, relatedTarget }) => {
    if (target.matches(".select2-search__field")) nameOpenChoice(target);
    if (!shown(SEARCH)) return;
    if (!target.closest(SEARCH)) searchField().focus(); // the page is covered
    else if (target === searchField() && !relatedTarget?.closest(SEARCH)) opener ??= relatedTarget;
    target.closest("#command-results-list li")?.dispatchEvent(new MouseEvent("mouseenter")); // what a click chooses
  });

  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    if (target.closest(SEARCH) && target !== searchField()) searchField().focus();
    else onceShown(() => {
      if (shown(SEARCH)) return; // the first Escape only empties it
      opener?.focus();
      opener = null;
    });
  });
});
