"use strict";

/* An element with attributes and children; text becomes text, never markup. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") element.style.cssText = value;
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/* A number to four digits; a dash for none. */
function shown(value) {
  if (typeof value !== "number" || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(2).replace("-", "−");
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 4))).replace("-", "−");
}

/* Orders text as people do and numbers by size; what is missing comes last, whatever the direction. */
function compare(one, other, direction) {
  const missing = (value) => value === null || value === undefined || Number.isNaN(value);
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  if (typeof one === "number" && typeof other === "number") return direction * (one - other || 0);
  return direction * String(one).localeCompare(String(other), "en", { numeric: true });
}

/* A table that its head sorts. Columns: name, value(row) to sort by, cell(row) to show, numeric.
   Returns a function that shows rows. */
function sortable(table, columns, caption) {
  const body = make("tbody");
  const sort = { column: null, direction: 1 };
  let rows = [];
  const fill = () => {
    const { column, direction } = sort;
    const ordered = column ? [...rows].sort((a, b) => compare(column.value(a), column.value(b), direction)) : rows;
    body.replaceChildren(...ordered.map((row) => make("tr", {}, ...columns.map((c) => {
      return make("td", { class: c.numeric ? "number" : undefined }, (c.cell ?? c.value)(row) ?? "–");
    }))));
  };
  const heads = columns.map((column) => {
    if (!column.name) return make("th");
    const head = make("th", { "aria-sort": "none", scope: "col", class: column.numeric ? "number" : undefined });
    const press = () => {
      sort.direction = sort.column === column ? -sort.direction : 1;
      sort.column = column;
      for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", sort.direction > 0 ? "ascending" : "descending");
      fill();
    };
    head.append(make("button", { type: "button", onclick: press }, column.name));
    return head;
  });
  table.replaceChildren(make("thead", {}, make("tr", {}, ...heads)), body);
  table.setAttribute("aria-label", caption);
  return (newRows) => { rows = newRows; fill(); };
}

/* Where values lie between the best and the worst of them: logarithmic if they can be. 0 is worst, 1 best. */
function scaleOf(values, higherIsBetter) {
  const finite = values.filter((value) => Number.isFinite(value));
  const logarithmic = finite.length > 0 && finite.every((value) => value > 0);
  const place = (value) => (logarithmic ? Math.log(value) : value);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const share = (value) => {
    if (!Number.isFinite(value)) return 0;
    const along = high > low ? (place(value) - place(low)) / (place(high) - place(low)) : 1;
    return Math.min(1, Math.max(0, higherIsBetter || high === low ? along : 1 - along));
  };
  return { share, logarithmic, best: higherIsBetter ? high : low, worst: higherIsBetter ? low : high };
}

/* The colour at a share of the way through a list of hexadecimal colours, and ink that is legible on it. */
function colourAt(colours, share) {
  const place = share * (colours.length - 1);
  const first = Math.min(Math.floor(place), colours.length - 2);
  const parts = [colours[first], colours[first + 1]].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const mixed = parts[0].map((value, i) => Math.round(value + (place - first) * (parts[1][i] - value)));
  const light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 120;
  return { ground: `rgb(${mixed.join(" ")})`, ink: light ? "#000" : "#fff" };
}
