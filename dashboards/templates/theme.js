"use strict";
(() => {
  const names = ["auto", "light", "dark"];
  const root = document.documentElement;

  function stored() {
    try { return localStorage.getItem("sccbench-colours") || "auto"; } catch { return "auto"; }
  }

  function apply(name) {
    root.dataset.theme = name;
    const label = document.querySelector("#theme b");
    if (label) label.textContent = name;
    document.dispatchEvent(new Event("colours"));
  }

  function next() {
    const name = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    try { localStorage.setItem("sccbench-colours", name); } catch { /* private mode: the choice lasts for this page */ }
    apply(name);
  }

  // Before the first paint, so that a dark page does not flash white.
  apply(stored());
  document.addEventListener("DOMContentLoaded", () => {
    apply(stored());
    document.getElementById("theme").addEventListener("click", next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(root.dataset.theme));

  let before = "auto";
  addEventListener("beforeprint", () => { before = root.dataset.theme; apply("light"); });
  addEventListener("afterprint", () => apply(before));
})();
