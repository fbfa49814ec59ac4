"use strict";
(() => {
  const table = document.getElementById("results");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const data = JSON.parse(document.getElementById("results-data").textContent);
  const place = Object.fromEntries(data.columns.map((name, index) => [name, index]));
  const records = new Map(rows.map((row, index) => [row, data.rows[index]]));
  const value = (row, name) => records.get(row)[place[name]];
  const filters = [...document.querySelectorAll("select[data-filter]")];
  const search = document.getElementById("search");

  function matches(row, select) {
    const wanted = select.value;
    const found = value(row, select.dataset.filter);
    return wanted === "" || (typeof found === "number" ? found === Number(wanted) : found === wanted);
  }

  function filter() {
    const chosen = filters.filter((select) => select.value !== "");
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const contains = (row) => {
      const text = words.length ? records.get(row).join(" ").toLowerCase() : "";
      return words.every((word) => text.includes(word));
    };
    rows.forEach((row) => { row.hidden = !(chosen.every((select) => matches(row, select)) && contains(row)); });
    document.getElementById("shown").textContent = rows.filter((row) => !row.hidden).length.toLocaleString("en");
  }

  function compare(first, second) {
    return typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second;
  }

  function sort(heading, name) {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const keyed = [...body.rows].map((row) => [value(row, name), row]);
    // What was not measured stays at the end in both directions.
    keyed.sort(([first], [second]) => {
      if (first === null || second === null) return (first === null) - (second === null);
      return (ascending ? 1 : -1) * compare(first, second);
    });
    body.append(...keyed.map(([, row]) => row));
  }

  function sortable(button) {
    button.addEventListener("click", () => sort(button.closest("th"), button.dataset.sort));
  }

  // Most readers never look at these columns, and a page of thousands of rows opens sooner without them.
  function addDetails() {
    const shown = new Set([...table.querySelectorAll("[data-sort]")].map((button) => button.dataset.sort));
    data.columns.filter((name) => !shown.has(name)).forEach((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name.replaceAll("_", " ") });
      button.dataset.sort = name;
      sortable(button);
      const heading = Object.assign(document.createElement("th"), { scope: "col", className: "detail" });
      heading.setAttribute("aria-sort", "none");
      heading.append(button);
      table.tHead.rows[0].append(heading);
      rows.forEach((row) => row.append(
        Object.assign(document.createElement("td"), { className: "detail", title: value(row, name) ?? "", textContent: value(row, name) ?? "–" })));
    });
  }

  function showDetails(wanted) {
    if (wanted && !table.querySelector(".detail")) addDetails();
    table.classList.toggle("all", wanted);
  }

  function csvLine(values) {
    const quoted = values.map((entry) => {
      const text = String(entry ?? "");
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    });
    return `${quoted.join(",")}\n`;
  }

  function download() {
    const shown = [...body.rows].filter((row) => !row.hidden).map((row) => csvLine(records.get(row)));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csvLine(data.columns), ...shown], { type: "text/csv" }));
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
    new URLSearchParams(location.hash.slice(1)).forEach((wanted, name) => {
      const select = filters.find((candidate) => candidate.dataset.filter === name);
      if (select) select.value = wanted;
    });
    filter();
  }

  table.querySelectorAll("button[data-sort]").forEach(sortable);
  filters.forEach((select) => select.addEventListener("change", filter));
  search.addEventListener("input", filter);
  document.getElementById("reset").addEventListener("click", reset);
  document.getElementById("download").addEventListener("click", download);
  document.getElementById("detail").addEventListener("change", (event) => showDetails(event.target.checked));
  addEventListener("hashchange", fromAddress);
  fromAddress();
})();
