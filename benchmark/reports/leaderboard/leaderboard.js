
// Leaderboard: one board at a time, that of the chosen group and budget. `sortable` and the like are the report's.

const boards = [...document.querySelectorAll(".board")], group = document.getElementById("group");
const ALL = { hidden: new Set(), looks: {} }; // no model is unchecked here

function show() {
  const budgets = document.querySelectorAll("select.budget");
  for (const select of budgets) select.closest("label").hidden = select.dataset.group !== group.value;
  const chosen = [...budgets].find((select) => select.dataset.group === group.value)?.value;
  for (const board of boards) board.hidden = board.dataset.group !== group.value || board.dataset.budget !== chosen;
}

boards.forEach((board, i) => {
  const table = board.querySelector("table");
  sortable(table);
  board.querySelector(".filter").addEventListener("input", () => choose(table, ALL));
  downloads(board.querySelector(".csv"), DATA[i]);
});
document.querySelectorAll(".choose select").forEach((select) => select.addEventListener("change", show));
if (boards.length) {
  document.querySelector(".choose").hidden = false;
  show();
}
