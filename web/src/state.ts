/** What the page is asked to show, and its form in the address: never a key. */

export type View = "plan" | "compare" | "data" | "test";
export type Goal = "maximize_outcome" | "maximize_profit" | "minimize_spend";

export interface Row {
  min: number | null;
  max: number | null;
  locked: boolean;
  own: number | null;
}

/** A question to plan by; amounts are money per period, null is what the server takes itself. */
export interface Question {
  budget: number | null;
  goal: Goal;
  value: number | null;
  target: number | null;
  keep: boolean;
  last: number | null;
  rows: Readonly<Record<string, Row>>;
}

/** A plan put aside to be compared. */
export interface Kept {
  name: string;
  question: Question;
}

export interface State {
  view: View;
  dataset: string | null;
  version: string | null;
  periods: number;
  question: Question;
  kept: readonly Kept[];
  base: number;
}

export const MOST_KEPT = 4;
export const NO_ROW: Row = { min: null, max: null, locked: false, own: null };
export const NO_QUESTION: Question = {
  budget: null,
  goal: "maximize_outcome",
  value: null,
  target: null,
  keep: false,
  last: null,
  rows: {},
};
export const START: State = {
  view: "plan",
  dataset: null,
  version: null,
  periods: 13,
  question: NO_QUESTION,
  kept: [],
  base: 0,
};

const VIEWS: readonly string[] = ["plan", "compare", "data", "test"];
const GOALS: readonly string[] = ["maximize_outcome", "maximize_profit", "minimize_spend"];

/** The amount in an address; null for anything else. */
function money(text: string | null | undefined): number | null {
  const value = text ? Number(text) : NaN;
  return Number.isFinite(value) && value >= 0 ? value : null;
}

function whole(text: string | null, most: number): number | null {
  const value = money(text);
  return value !== null && Number.isInteger(value) && value >= 1 && value <= most ? value : null;
}

export function isPlain(row: Row): boolean {
  return row.min === null && row.max === null && row.own === null && !row.locked;
}

function writeQuestion(question: Question, into: URLSearchParams): void {
  const put = (name: string, value: number | null): void => {
    if (value !== null) into.set(name, String(value));
  };
  put("budget", question.budget);
  if (question.goal !== NO_QUESTION.goal) into.set("goal", question.goal);
  put("value", question.value);
  put("target", question.target);
  if (question.keep) into.set("keep", "1");
  put("last", question.last);
  for (const [channel, row] of Object.entries(question.rows)) {
    if (isPlain(row)) continue;
    const cells = [row.min, row.max, row.own].map((cell) => (cell === null ? "" : String(cell)));
    into.set(`c.${channel}`, [...cells, row.locked ? "locked" : ""].join("~"));
  }
}

function readQuestion(from: URLSearchParams): Question {
  const rows: Record<string, Row> = Object.create(null) as Record<string, Row>;
  for (const [name, text] of from) {
    if (!name.startsWith("c.")) continue;
    const [min, max, own, lock] = text.split("~");
    const row = { min: money(min), max: money(max), own: money(own), locked: lock === "locked" };
    if (!isPlain(row)) rows[name.slice(2)] = row;
  }
  const goal = from.get("goal") ?? "";
  return {
    budget: money(from.get("budget")),
    goal: GOALS.includes(goal) ? (goal as Goal) : NO_QUESTION.goal,
    value: money(from.get("value")),
    target: money(from.get("target")),
    keep: from.get("keep") === "1",
    last: whole(from.get("last"), 10_000),
    rows: { ...rows },
  };
}

/** The part of an address after its #. */
export function toHash(state: State): string {
  const found = new URLSearchParams();
  found.set("view", state.view);
  if (state.dataset) found.set("dataset", state.dataset);
  if (state.version) found.set("version", state.version);
  if (state.periods !== START.periods) found.set("periods", String(state.periods));
  writeQuestion(state.question, found);
  state.kept.forEach((kept) => {
    const inner = new URLSearchParams();
    inner.set("name", kept.name);
    writeQuestion(kept.question, inner);
    found.append("kept", inner.toString());
  });
  if (state.base) found.set("base", String(state.base));
  return found.toString();
}

/** The state of an address; whatever cannot be read is as if it were not there. */
export function fromHash(hash: string): State {
  const from = new URLSearchParams(hash.replace(/^#/, ""));
  const view = from.get("view") ?? "";
  const kept = from
    .getAll("kept")
    .slice(0, MOST_KEPT)
    .map((text) => {
      const inner = new URLSearchParams(text);
      return { name: inner.get("name") ?? "plan", question: readQuestion(inner) };
    });
  const base = money(from.get("base")) ?? 0;
  const dataset = from.get("dataset");
  const version = from.get("version");
  return {
    view: VIEWS.includes(view) ? (view as View) : "plan",
    dataset: dataset && /^[a-z0-9][a-z0-9_-]{0,62}$/.test(dataset) ? dataset : null,
    version: version && /^[A-Za-z0-9-]{1,80}$/.test(version) ? version : null,
    periods: whole(from.get("periods"), 104) ?? START.periods,
    question: readQuestion(from),
    kept,
    base: base < kept.length ? base : 0,
  };
}
