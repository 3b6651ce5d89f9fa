import pc from "picocolors";

/* Results go to stdout; everything else, progress and notes, to stderr. */

/** A result: text for people, or one JSON value for machines. */
export function printResult(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

export type Cell = string | number;

/** Columns side by side, numbers to the right, under a dim head. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column]).length)),
  );
  const isNumber = (column: number) =>
    rows.length > 0 && rows.every((row) => /^[-+]?[\d.,]+( ?[×%A-Za-z]+)?$|^$/.test(String(row[column])));
  const numeric = head.map((_, column) => isNumber(column));
  const line = (cells: readonly Cell[]) =>
    cells
      .map((cell, column) =>
        numeric[column] ? String(cell).padStart(widths[column]) : String(cell).padEnd(widths[column]),
      )
      .join("  ")
      .trimEnd();
  return [pc.dim(line(head)), ...rows.map(line)].join("\n");
}

/** Name and value a line. */
export function facts(rows: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${pc.dim(name.padEnd(width))}  ${value}`).join("\n");
}

export function title(text: string): string {
  return pc.bold(text);
}
