import { type Html, html } from "./html.js";
import { number, type Quantity } from "./number.js";

/** What a cell holds. A number may have more beside it: ± its error, a mark. */
export type Cell = string | NotedText | Quantity | NotedQuantity | null;

export interface NotedText {
  readonly text: string;
  readonly note: Html;
}

export interface NotedQuantity extends Quantity {
  readonly note: Html;
}

export interface TableColumn {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly numeric?: boolean;
}

export interface Table {
  /** Of the page, and of the file that it is downloaded as. */
  readonly id: string;
  /** What it shows, in a line. */
  readonly caption: Html | string;
  readonly columns: readonly TableColumn[];
  /** The first cell is the row's head. */
  readonly rows: readonly (readonly Cell[])[];
}

/** A table that the page's script makes sortable and downloadable. */
export function dataTable({ id, caption, ...table }: Table): Html {
  const { columns, rows } = withoutEmpty(table);
  return html`
<p class="caption"><span id="${id}-caption">${caption}</span></p>
<div class="scroll" role="region" aria-labelledby="${id}-caption" tabindex="0">
<table class="data" id="${id}" aria-labelledby="${id}-caption">
<thead><tr>${columns.map((column) => html`<th scope="col"${numericClass(column)}>${column.title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) => html`
<tr>${row.map((cell, at) => cellHtml(cell, columns[at], at === 0))}</tr>`,
  )}
</tbody>
</table>
</div>`;
}

/** Columns that say nothing in any row are left out. */
function withoutEmpty({ columns, rows }: Pick<Table, "columns" | "rows">) {
  const says = columns.map(
    (_, at) => rows.length === 0 || rows.some((row) => row[at] !== null && row[at] !== ""),
  );
  const kept = <T>(all: readonly T[]) => all.filter((_, at) => says[at]);
  return { columns: kept(columns), rows: rows.map(kept) };
}

function cellHtml(cell: Cell, column: TableColumn, isHead: boolean): Html {
  if (isHead) return html`<th scope="row">${typeof cell === "string" ? cell : cell?.text}</th>`;
  if (cell === null) return html`<td${numericClass(column)}><span class="none">–</span></td>`;
  if (typeof cell === "string") return html`<td${numericClass(column)}>${cell}</td>`;
  const note = "note" in cell ? cell.note : null;
  if (!("value" in cell)) return html`<td${numericClass(column)}>${cell.text}${note}</td>`;
  return html`<td${numericClass(column)} data-value="${cell.value}">${number(cell)}${note}</td>`;
}

function numericClass({ numeric }: TableColumn): Html | null {
  return numeric ? html` class="numeric"` : null;
}
