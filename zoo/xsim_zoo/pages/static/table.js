"use strict";

// Tables sort by the number behind a cell; cells without one stay last either way.
function sortTable(header) {
  const row = header.parentElement;
  const index = [...row.children].indexOf(header);
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const body = header.closest("table").tBodies[0];
  const numeric = header.classList.contains("numeric");
  const valueOf = (line) => line.children[index].dataset.value;
  const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
  const lines = [...body.rows].sort((a, b) => {
    const [left, right] = [valueOf(a), valueOf(b)];
    if (left === "" || right === "") return (left === "") - (right === "");
    return ascending ? compare(left, right) : compare(right, left);
  });
  body.append(...lines);
  for (const other of row.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

// Tables that come later sort as well.
document.addEventListener("click", (event) => {
  const header = event.target.closest("thead th");
  if (header && event.target.closest("button")) sortTable(header);
});
