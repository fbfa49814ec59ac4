"use strict";
(() => {
  const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, showTips: false };
  const SOFTNESS = { "": 1, "-soft": 0.45 };
  // Fits A4 and Letter with the browsers' usual margins; a browser does not tell a page how wide its paper is.
  const PAPER = { width: 660, scale: 0.8 };
  const probe = document.createElement("span");
  probe.hidden = true;

  function colour(name) {
    const [, base, softness = ""] = /^var\(--([a-z0-9-]+?)(-soft)?\)$/.exec(name);
    probe.style.color = `var(--${base})`;
    const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g);
    return `rgba(${r},${g},${b},${SOFTNESS[softness]})`;
  }

  // Figures name colours of the stylesheet; Plotly needs their values of the moment.
  function coloured(value) {
    if (typeof value === "string") return value.startsWith("var(--") ? colour(value) : value;
    if (Array.isArray(value)) return value.map(coloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, coloured(entry)]));
  }

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function numbersTable({ header, rows }, caption) {
    const heads = header.map((text) => element("th", { scope: "col", textContent: text }));
    const lines = rows.map((row) => element("tr", {}, ...row.map((text) => element("td", { textContent: text }))));
    const table = element("table", {}, element("caption", { className: "hidden", textContent: caption }),
      element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines));
    const box = element("div", { className: "scroll", tabIndex: 0 }, table);
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", caption);
    return element("details", { className: "numbers" }, element("summary", { textContent: "Numbers" }), box);
  }

  class Deck {
    constructor(section) {
      this.section = section;
      this.states = JSON.parse(document.getElementById(`${section.id}-data`).textContent);
      this.state = this.states[Number(section.dataset.start)];
      this.hidden = new Set();
      this.selects = [...section.querySelectorAll("select[data-facet]")];
      this.selects.forEach((select) => select.addEventListener("change", () => this.choose(select)));
      section.querySelectorAll("[data-defense]").forEach((button) =>
        button.addEventListener("click", () => this.toggle(button)));
      this.show();
    }

    // Not every combination was measured: the changed choice wins, the others stay as near as they can.
    choose(changed) {
      const { facet } = changed.dataset;
      const wanted = Object.fromEntries(this.selects.map((select) => [select.dataset.facet, select.value]));
      const agreeing = (state) => Object.keys(wanted).filter((name) => state.facets[name] === wanted[name]).length;
      const possible = this.states.filter((state) => state.facets[facet] === wanted[facet]);
      this.state = possible.reduce((best, state) => (agreeing(state) > agreeing(best) ? state : best));
      this.show();
    }

    toggle(button) {
      const { defense } = button.dataset;
      const visible = this.hidden.delete(defense);
      if (!visible) this.hidden.add(defense);
      button.setAttribute("aria-pressed", String(visible));
      this.draw();
    }

    show() {
      this.selects.forEach((select) => { select.value = this.state.facets[select.dataset.facet]; });
      const box = this.section.querySelector(".panels");
      box.style.minHeight = `${box.offsetHeight}px`;
      box.querySelectorAll(".plot").forEach((plot) => Plotly.purge(plot));
      box.replaceChildren(...this.state.panels.map((panel) => this.panel(panel)));
      box.dataset.count = this.state.panels.length;
      this.draw();
      box.style.minHeight = "";
    }

    panel(panel) {
      const plot = element("div", { className: "plot" });
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", panel.description);
      const buttons = ["png", "svg"].map((format) => {
        const button = element("button", { type: "button", textContent: format.toUpperCase() });
        button.setAttribute("aria-label", `Download the figure of ${panel.title} as ${format.toUpperCase()}`);
        button.addEventListener("click", () => this.save(panel, format));
        return button;
      });
      const head = element("div", { className: "panel-head" },
        element("div", {}, element("h3", { textContent: panel.title }), " ", element("span", { className: "note", textContent: panel.family })),
        element("div", { className: "save" }, ...buttons));
      const caption = element("figcaption", { textContent: panel.caption });
      return element("figure", { className: "panel" }, head, plot, caption,
        numbersTable(panel.numbers, `Numbers of the figure of ${panel.title}`));
    }

    drawn(panel) {
      const data = coloured(panel.figure.data).map((trace) => ({ ...trace, visible: !this.hidden.has(trace.legendgroup) }));
      // A finger that scrolls the page must not draw a zoom box.
      const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
      return { data, layout: { ...coloured(panel.figure.layout), dragmode } };
    }

    draw(paper = false) {
      this.section.querySelectorAll(".plot").forEach((plot, index) => {
        const { data, layout } = this.drawn(this.state.panels[index]);
        const size = paper ? { autosize: false, width: PAPER.width, height: PAPER.scale * layout.height } : {};
        plot.style.height = `${size.height ?? layout.height}px`;
        Plotly.react(plot, data, { ...layout, ...size }, CONFIG);
      });
    }

    save(panel, format) {
      const { data, layout } = this.drawn(panel);
      const chosen = Object.entries(this.state.facets).filter(([, value]) => !panel.title.includes(value)).map(([name, value]) => `${name.toLowerCase()} ${value}`).join(", ");
      const heading = [panel.title, this.section.querySelector("h2").firstChild.textContent.trim(), chosen].join(" · ")
        .replaceAll("&", "&amp;").replaceAll("<", "&lt;");
      const image = {
        ...layout, autosize: false, width: 960, height: layout.height + 130, showlegend: Boolean(this.section.querySelector(".legend")),
        legend: { orientation: "h", y: -0.2, yanchor: "top" }, paper_bgcolor: colour("var(--surface)"),
        title: { text: heading, x: 0.02, xanchor: "left", font: { size: 15 } }, margin: { ...layout.margin, l: layout.margin.l + 16, t: 70, b: 110, r: 30 },
      };
      const filename = [this.section.id, panel.title].join("-").replace(/[^\w.-]+/g, "-");
      Plotly.downloadImage({ data, layout: image }, { format, filename, scale: format === "png" ? 2 : 1,
        width: image.width, height: image.height });
    }
  }

  document.body.append(probe);
  const decks = [...document.querySelectorAll(".deck")].map((section) => new Deck(section));
  const drawAll = (paper) => decks.forEach((deck) => deck.draw(paper));
  document.addEventListener("colours", () => drawAll(false));
  addEventListener("beforeprint", () => drawAll(true));
  addEventListener("afterprint", () => drawAll(false));
})();
