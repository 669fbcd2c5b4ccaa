/* The panel with the facts of cells. */

const dialog = document.getElementById("details");
document.getElementById("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

/* A number that opens the facts behind it. */
function link(text, title, cells) {
  return make("button", { type: "button", "aria-haspopup": "dialog", onclick: () => open(title, cells) }, text);
}

function open(title, cells) {
  document.getElementById("details-title").textContent = title;
  const few = cells.length <= 3;
  document.getElementById("details-body").replaceChildren(...cells.map((cell) => facts(cell, few)));
  dialog.showModal();
  dialog.scrollTop = 0;
}

function nameOf(cell) {
  return `${cell.task}, ${cell.estimator}, seed ${cell.seed}`;
}

function facts(cell, unfolded) {
  const state = cell.state === "done" ? "" : ` (${cell.state})`;
  return make("details", { open: unfolded ? "" : false },
    make("summary", {}, nameOf(cell) + state),
    list({
      Command: cell.command && make("code", {}, cell.command),
      Seed: String(cell.seed),
      Versions: Object.entries(cell.versions).map((pair) => pair.join(" ")).join(", "),
      Note: cell.note,
      "The whole cell": `${shown(cell.seconds)} seconds, at most ${shown(cell.memory)} MB`,
      Settings: Object.entries(cell.settings).map(([key, value]) => `${key} ${value}`).join(", "),
    }),
    scores(cell),
    cell.log ? make("h3", {}, "Log") : null,
    cell.log ? make("pre", { tabindex: "0", "aria-label": "Log" }, cell.log) : make("p", { class: "small" }, "It logged nothing."),
    cell.info === "{}" ? null : make("details", {},
      make("summary", {}, "What the estimator says of its fit"),
      make("pre", { tabindex: "0", "aria-label": "Fit" }, cell.info)));
}

function list(entries) {
  const given = Object.entries(entries).map(([term, value]) => [term, value || "not recorded"]);
  return make("dl", {}, ...given.filter(([term, value]) => term !== "Note" || value !== "not recorded").flatMap(
    ([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}

function scores(cell) {
  const rows = Object.entries(cell.scores).filter(([, [value]]) => value !== null);
  if (!rows.length) return null;
  return make("div", { class: "wide" }, make("table", { "aria-label": "Scores" }, make("tbody", {}, ...rows.map(
    ([metric, [value, low, high]]) => make("tr", {},
      make("th", { scope: "row" }, metric),
      make("td", { class: "number" }, shown(value)),
      make("td", {}, low === null ? "" : `${shown(low)} to ${shown(high)}`))))));
}
