/**
 * What a page does by itself: tables sort by their heads and are saved as CSV, pictures as SVG, a choice shows one of
 * several pictures, and a number that is tapped shows what it is in full. Without a script the page says the same.
 */
export const pageScript = String.raw`
"use strict";
const name = document.body.dataset.name;

for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const first = head.classList.contains("numeric") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const each of heads) each.setAttribute("aria-sort", each === head ? order : "none");
      const sign = order === "ascending" ? 1 : -1;
      body.append(...[...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column], sign)));
    });
  });
  offer(document.getElementById(table.id + "-caption"), "CSV", () => save(table.id + ".csv", "text/csv", csvOf(table)));
}

for (const figure of document.querySelectorAll("figure.chart")) {
  offer(figure.querySelector("h3"), "SVG", () => {
    const svg = figure.querySelector("svg").cloneNode(true);
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = document.getElementById("chart-style").textContent;
    svg.prepend(style);
    save(figure.id + ".svg", "image/svg+xml", new XMLSerializer().serializeToString(svg));
  });
}

for (const choice of document.querySelectorAll("[data-choice]")) {
  const select = choice.querySelector("select");
  const show = () => {
    for (const each of document.querySelectorAll('[data-chosen="' + choice.dataset.choice + '"]'))
      each.hidden = each.dataset.value !== select.value;
  };
  choice.hidden = false;
  select.addEventListener("change", show);
  show();
}

const tip = document.createElement("div");
tip.className = "tip";
tip.setAttribute("role", "status");
tip.hidden = true;
document.body.append(tip);
document.addEventListener("click", ({ target, pageX, pageY }) => {
  const text = target.closest(".n")?.title ?? target.closest(".plot *")?.querySelector(":scope > title")?.textContent;
  tip.hidden = !text;
  tip.textContent = text ?? "";
  tip.style.left = Math.max(8, Math.min(pageX, document.documentElement.clientWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = pageY + 16 + "px";
});

/** Numbers by value, texts by their letters and the numbers in them; empty cells last. */
function compare(a, b, sign) {
  const [x, y] = [a, b].map((cell) => cell.dataset.value ?? cell.textContent.trim());
  const [noX, noY] = [x, y].map((text) => text === "" || text === "–");
  if (noX || noY) return noX - noY;
  const difference = a.dataset.value && b.dataset.value ? x - y : x.localeCompare(y, "en", { numeric: true });
  return sign * difference;
}

function csvOf(table) {
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows];
  return rows.map((row) => [...row.cells].map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim().replace(/\s+/g, " ");
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

/** A button behind what names a table or picture. */
function offer(title, format, action) {
  const button = document.createElement("button");
  button.className = "save";
  button.type = "button";
  button.textContent = "save " + format;
  button.setAttribute("aria-label", "Save " + title.textContent + " as " + format);
  button.addEventListener("click", action);
  title.after(" ", button);
}

function save(file, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name + "-" + file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
`;
