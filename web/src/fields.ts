/** Which question an upload asks. */

/** The field of the spec that a fault or finding is settled by. */
export function fieldOf(code: string, settledBy: string | null): string | null {
  const known: Record<string, string> = {
    ambiguous_date: "day_first",
    ambiguous_number: "decimal",
    no_channels: "channels",
    no_outcome: "outcome",
    no_date: "date",
  };
  return known[code] ?? (settledBy === "rows" ? null : settledBy);
}
