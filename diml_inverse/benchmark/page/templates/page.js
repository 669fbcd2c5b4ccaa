/* Filters, and what follows them. */

const infinite = { "∞": Infinity, "-∞": -Infinity };
const data = JSON.parse(document.getElementById("data").textContent);
const valueOf = (cell, metric) => number(cell.scores[metric]?.[0]);
const chosen = { metric: data.ranked[0] ?? "", task: "", estimator: "" };

function number(value) {
  return infinite[value] ?? value ?? NaN;
}

function cellsOf(filter) {
  return data.cells.filter((cell) => Object.entries(filter).every(([key, value]) => !value || cell[key] === value));
}

function leaderboard(name, suite) {
  const table = make("table");
  const where = () => cellsOf({ suite: name, task: chosen.task });
  const behind = (one) => where().filter((c) => c.estimator === one.estimator && !Number.isNaN(valueOf(c, chosen.metric)));
  const title = (one) => `${one.estimator}: ${chosen.metric}`;
  const failures = (one) => link(String(one.failed), `${one.estimator}: failed`,
    where().filter((c) => c.estimator === one.estimator && c.state === "error"));
  const show = sortable(table, [
    { name: "Rank", value: (one) => one.rank, numeric: true },
    { name: "Estimator", value: (one) => one.estimator },
    { name: "Mean", value: (one) => one.mean, cell: (one) => link(shown(one.mean), title(one), behind(one)), numeric: true },
    { name: "95 % interval", value: (one) => one.low, cell: (one) => interval(one.low, one.high) },
    { name: "", value: () => "", cell: (one) => one.range },
    { name: "Mean rank", value: (one) => one.meanRank, cell: (one) => shown(one.meanRank), numeric: true },
    { name: "Tasks", value: (one) => one.tasks, cell: (one) => `${one.tasks} of ${one.ofTasks}`, numeric: true },
    { name: "Cells", value: (one) => one.cells, numeric: true },
    { name: "Failed", value: (one) => one.failed, cell: (one) => (one.failed ? failures(one) : "0"), numeric: true },
  ], `Leaderboard of ${name}`);
  const update = () => {
    const all = (suite.standings[chosen.metric]?.[chosen.task] ?? []).map(standing);
    const scale = scaleOf(all.flatMap((one) => [one.mean, one.low, one.high]), true);
    for (const one of all) one.range = range(one, scale);
    show(all.filter((one) => !chosen.estimator || one.estimator === chosen.estimator));
  };
  return { element: make("div", { "data-suite": name }, make("h3", {}, name), make("div", { class: "wide" }, table)), update };
}

function standing([estimator, rank, mean, low, high, meanRank, tasks, ofTasks, cells, failed]) {
  const numbers = { mean: number(mean), low: number(low), high: number(high), meanRank: number(meanRank) };
  return { estimator, rank, ...numbers, tasks, ofTasks, cells, failed };
}

function interval(low, high) {
  return Number.isNaN(low) ? "–" : `${shown(low)} to ${shown(high)}`;
}

function range(one, scale) {
  if (Number.isNaN(one.mean)) return "";
  const at = (value) => `${(100 * scale.share(value)).toFixed(1)}%`;
  const width = `calc(${(100 * (scale.share(one.high) - scale.share(one.low))).toFixed(1)}%)`;
  const bar = Number.isNaN(one.low) ? null : make("i", { style: `left:${at(one.low)};width:${width}` });
  return make("div", { class: "range", "aria-hidden": "true" }, "\u00a0", bar, make("b", { style: `left:${at(one.mean)}` }));
}

function heatmap(name, suite) {
  const table = make("table", { class: "heat", "aria-label": `Heat map of ${name}` });
  const key = make("p", { class: "small scale" });
  const update = () => {
    const tasks = suite.tasks.filter((task) => !chosen.task || task === chosen.task);
    const estimators = suite.estimators.filter((one) => !chosen.estimator || one === chosen.estimator);
    const means = tasks.map((task) => estimators.map((estimator) => meanOf({ task, estimator })));
    const scale = scaleOf(means.flat().map((mean) => mean.value), data.metrics[chosen.metric]?.higher);
    table.replaceChildren(
      make("thead", {}, make("tr", {}, make("td"), ...estimators.map((one) => make("th", { scope: "col" }, one)))),
      make("tbody", {}, ...tasks.map((task, i) => make("tr", {}, make("th", { scope: "row" }, task),
        ...estimators.map((estimator, j) => square(means[i][j], scale, `${task}, ${estimator}`))))));
    key.replaceChildren("Mean over seeds. Yellow is better, blue worse", ...legend(scale), ".");
  };
  return { element: make("div", {}, make("h3", {}, name), make("div", { class: "wide" }, table), key), update };
}

function meanOf(filter) {
  const cells = cellsOf(filter);
  const values = cells.map((cell) => valueOf(cell, chosen.metric)).filter((value) => !Number.isNaN(value));
  return { cells, value: values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN };
}

function square({ cells, value }, scale, name) {
  if (!cells.length) return make("td");
  const state = cells.find((cell) => cell.state !== "done")?.state;
  const text = Number.isNaN(value) ? { skipped: "n/a", error: "failed" }[state] ?? "–" : shown(value);
  const { ground, ink } = colourAt(data.colours, scale.share(value));
  const style = Number.isNaN(value) ? "" : `background:${ground};color:${ink}`;
  return make("td", { style }, link(text, `${name}: ${chosen.metric}`, cells));
}

function legend({ worst, best, logarithmic }) {
  if (!Number.isFinite(best)) return [];
  const bar = make("i", { style: `background:linear-gradient(to right,${data.colours.join(",")})` });
  return [`, ${logarithmic ? "logarithmic" : "linear"}: `, shown(worst), bar, shown(best)];
}

function cellTable() {
  const value = (cell) => valueOf(cell, chosen.metric);
  const end = (i) => (cell) => number(cell.scores[chosen.metric]?.[i]);
  const why = (cell) => (cell.note.length > 60 ? `${cell.note.slice(0, 60)}…` : cell.note);
  const text = (cell) => (cell.state === "done" ? shown(value(cell)) : `${cell.state}: ${why(cell)}`);
  return sortable(document.getElementById("cell-table"), [
    { name: "Task", value: (cell) => cell.task },
    { name: "Estimator", value: (cell) => cell.estimator },
    { name: "Seed", value: (cell) => cell.seed, numeric: true },
    { name: "Value", value, cell: (cell) => link(text(cell), nameOf(cell), [cell]), numeric: true },
    { name: "95 % interval", value: end(1), cell: (cell) => interval(end(1)(cell), end(2)(cell)) },
    { name: "Seconds", value: (cell) => cell.seconds, cell: (cell) => shown(cell.seconds), numeric: true },
    { name: "Memory (MB)", value: (cell) => cell.memory, cell: (cell) => shown(cell.memory), numeric: true },
  ], "Cells");
}

function choosePictures() {
  const drawn = new Set(Array.from(document.querySelectorAll("#time figure"), (figure) => figure.dataset.metric));
  const metric = drawn.has(chosen.metric) ? chosen.metric : [...drawn][0];
  for (const element of document.querySelectorAll("[data-task], .legend [data-estimator]")) {
    const { task, estimator, metric: of } = element.dataset;
    const other = (name, choice) => Boolean(name && choice && name !== choice);
    element.hidden = other(task, chosen.task) || other(estimator, chosen.estimator) || other(of, metric);
    if (element.matches("details") && chosen.task === task) element.open = true;
  }
  const note = document.getElementById("not-drawn");
  if (note) note.textContent = metric === chosen.metric ? "" : `Not drawn for ${chosen.metric}; shown is ${metric}.`;
}

function start() {
  const suites = Object.entries(data.suites);
  const boards = suites.map((suite) => leaderboard(...suite));
  const maps = suites.map((suite) => heatmap(...suite));
  document.getElementById("leaderboards").append(...boards.map((board) => board.element));
  document.getElementById("heatmaps").append(...maps.map((map) => map.element));
  const showCells = cellTable();
  const update = () => {
    for (const part of [...boards, ...maps]) part.update();
    const cells = cellsOf({ task: chosen.task, estimator: chosen.estimator });
    showCells(cells);
    document.getElementById("shown").textContent = `${cells.length} of ${data.cells.length} cells; value: ${chosen.metric || "none"}.`;
    document.getElementById("meaning").textContent = meaningOf(data.metrics[chosen.metric]);
    choosePictures();
  };
  const filters = document.getElementById("filters");
  options("metric", data.ranked);
  options("task", [...new Set(data.cells.map((cell) => cell.task))]);
  options("estimator", [...new Set(data.cells.map((cell) => cell.estimator))]);
  const read = () => {
    for (const name of Object.keys(chosen)) chosen[name] = document.getElementById(name).value;
    update();
  };
  filters.addEventListener("change", read);
  filters.addEventListener("reset", () => setTimeout(read));
  filters.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", openMark);
  nameMarks();
  printAll();
  read();
}

function meaningOf(metric) {
  if (!metric) return "No cell has been measured.";
  const better = metric.higher ? "Higher is better." : "Lower is better.";
  return [metric.meaning, metric.unit && `Unit: ${metric.unit}.`, better].filter(Boolean).join(" ");
}

function options(name, values) {
  document.getElementById(name).append(...values.map((value) => make("option", { value }, value)));
}

/* Marks of the pictures open their cell. */
function openMark(event) {
  const mark = event.target.closest?.("[data-cell]");
  if (!mark) return;
  event.preventDefault();
  const cell = data.cells[Number(mark.dataset.cell)];
  open(nameOf(cell), [cell]);
}

/* On paper nothing can be unfolded. */
function printAll() {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of folded) details.open = false; });
}

function nameMarks() {
  for (const mark of document.querySelectorAll("[data-cell]")) {
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = nameOf(data.cells[Number(mark.dataset.cell)]);
    mark.prepend(title);
  }
}

start();
