/** Numbers and pictures taken out of the page. */

import writeExcel from "write-excel-file/universal";
import type { SheetData } from "write-excel-file/universal";

export type Cell = string | number | null;

export interface Table {
  head: string[];
  rows: Cell[][];
}

/** RFC 4180; a text that a spreadsheet would take for a formula is told as text. */
export function csvOf(table: Table): string {
  const cell = (value: Cell): string => {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [table.head, ...table.rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 10_000);
}

export async function excel(name: string, table: Table): Promise<void> {
  const data: SheetData = [
    table.head.map((value) => ({ value, fontWeight: "bold" as const })),
    ...table.rows.map((row) => row.map((value) => (value === null ? null : { value }))),
  ];
  download(name, await writeExcel(data).toBlob());
}
