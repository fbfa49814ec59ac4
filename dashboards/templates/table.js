"use strict";
(() => {
  const table = document.getElementById("results");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const [header, ...lines] = JSON.parse(document.getElementById("results-lines").textContent);
  rows.forEach((row, index) => { row.line = lines[index]; row.words = row.textContent.toLowerCase(); });
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const search = document.getElementById("search");
  const property = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

  function filter() {
    const wanted = filters.filter((select) => select.value !== "").map((select) => [property(select.dataset.filter), select.value]);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => {
      row.hidden = !(wanted.every(([name, value]) => row.dataset[name] === value) && words.every((word) => row.words.includes(word)));
    });
    document.getElementById("shown").textContent = rows.filter((row) => !row.hidden).length.toLocaleString("en");
  }

  function sortKey(cell) {
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  function compare(first, second) {
    return typeof first === "number" ? first - second : first.localeCompare(second, "en", { numeric: true });
  }

  function sort(heading) {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const keyed = [...body.rows].map((row) => [sortKey(row.cells[heading.cellIndex]), row]);
    // What was not measured stays at the end in both directions.
    keyed.sort(([first], [second]) => {
      if (first === null || second === null) return (first === null) - (second === null);
      return (ascending ? 1 : -1) * compare(first, second);
    });
    body.append(...keyed.map(([, row]) => row));
  }

  function download() {
    const shown = [...body.rows].filter((row) => !row.hidden).map((row) => row.line);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([header + shown.join("")], { type: "text/csv" }));
    link.download = "results-selection.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function reset() {
    filters.forEach((select) => { select.value = ""; });
    search.value = "";
    filter();
  }

  function fromAddress() {
    new URLSearchParams(location.hash.slice(1)).forEach((value, name) => {
      const select = filters.find((candidate) => candidate.dataset.filter === name);
      if (select) select.value = value;
    });
    filter();
  }

  table.querySelectorAll("button[data-sort]").forEach((button) =>
    button.addEventListener("click", () => sort(button.closest("th"))));
  filters.forEach((select) => select.addEventListener("change", filter));
  search.addEventListener("input", filter);
  document.getElementById("reset").addEventListener("click", reset);
  document.getElementById("download").addEventListener("click", download);
  document.getElementById("detail").addEventListener("change", (event) => table.classList.toggle("all", event.target.checked));
  addEventListener("hashchange", fromAddress);
  fromAddress();
})();
