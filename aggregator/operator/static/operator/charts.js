/* Texts in charts follow the theme: no one colour can be read on both. The theme draws charts anew when it changes. */
"use strict";

function followTheme() {
  const colour = document.documentElement.classList.contains("dark") ? "#d1d5dc" : "#4a5565";
  Chart.defaults.color = colour;
  for (const { options } of Object.values(Chart.instances)) {
    for (const scale of Object.values(options.scales)) scale.ticks.color = scale.title.color = colour; // copied at first
  }
}

followTheme();
new MutationObserver(followTheme).observe(document.documentElement, { attributeFilter: ["class"] });
