/** A question of the page as a request, and a problem of the request beside the field that made it. */

import type { Problem, SweepRow } from "./messages";
import type { Question, State } from "./state";
import { isPlain } from "./state";

export type Json = Record<string, unknown>;

/** The body of POST /optimize; `budget` is money per period. */
export function asked(state: State, question: Question, budget: number | null): Json {
  const rows = Object.entries(question.rows).filter(
    ([, row]) => !isPlain({ ...row, own: null }),
  );
  const objective: Json | null =
    question.goal === "maximize_profit"
      ? { goal: question.goal, value_per_outcome: question.value }
      : question.goal === "minimize_spend"
        ? { goal: question.goal, target_outcome: question.target }
        : null;
  return {
    dataset: state.dataset,
    ...(state.version ? { curves_version: state.version } : {}),
    ...(question.goal === "minimize_spend" ? {} : { budget }),
    ...(question.goal === "maximize_profit" ? { spend_all: false } : {}),
    ...(question.last ? { current: { last: question.last } } : {}),
    ...(question.keep ? { keep_current: true } : {}),
    ...(objective ? { objective } : {}),
    ...(rows.length
      ? {
          channels: rows.map(([channel, row]) => ({
            channel,
            ...(row.min === null ? {} : { min_spend: row.min }),
            ...(row.max === null ? {} : { max_spend: row.max }),
            ...(row.locked ? { locked: true } : {}),
          })),
        }
      : {}),
  };
}

/** Why the question cannot be asked yet; null where it can. */
export function lacking(question: Question): string | null {
  if (question.goal === "maximize_profit" && !question.value)
    return "Say what one unit of outcome is worth.";
  if (question.goal === "minimize_spend" && !question.target)
    return "Say which outcome is to be reached.";
  return null;
}

/** Whether a sweep of budgets can stand for this question until its answer comes. */
export function sweepable(question: Question): boolean {
  return question.goal === "maximize_outcome";
}

/**
 * Messages by field: "budget", "value", "target", "keep", "channel:tv:min", and "" for the rest.
 * Pointers name a channel by its place in the request, conflicts by its name.
 */
export function faultsByField(problem: Problem, request: Json): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  const add = (field: string, text: string): void => {
    (found[field] ??= []).push(text);
  };
  const channels = (request["channels"] ?? []) as { channel: string }[];
  for (const fault of problem.errors ?? []) {
    const path = fault.pointer.replace(/^\/(base|problem)(?=\/)/, "").split("/").slice(1);
    const channel = path[0] === "channels" ? channels[Number(path[1])]?.channel : undefined;
    if (channel) add(`channel:${channel}:${KIND[path[2] ?? ""] ?? "min"}`, fault.message);
    else add(FIELD[path.at(-1) ?? ""] ?? "", fault.message);
  }
  for (const conflict of problem.conflicts ?? []) {
    const dot = conflict.name.lastIndexOf(".");
    const kind = dot < 0 ? undefined : KIND[conflict.name.slice(dot + 1)];
    if (kind) add(`channel:${conflict.name.slice(0, dot)}:${kind}`, conflict.message);
    else add(FIELD[conflict.name] ?? "", conflict.message);
  }
  if (!Object.keys(found).length) add("", problem.detail);
  return found;
}

const KIND: Record<string, string> = { min_spend: "min", max_spend: "max", locked: "locked" };
const FIELD: Record<string, string> = {
  budget: "budget",
  value_per_outcome: "value",
  target_outcome: "target",
  keep_current: "keep",
};

/** A plan of the sweep at a budget between two of its own, by a straight line; a preview only. */
export interface Preview {
  spend: number;
  outcome: number;
  allocation: { channel: string; spend: number }[];
}

export function previewAt(rows: readonly SweepRow[], budget: number): Preview | null {
  const known = rows.filter((row) => row.allocation && row.outcome !== undefined);
  const place = known.findIndex((row) => row.budget >= budget);
  const upper = known[place];
  const lower = place > 0 ? known[place - 1] : upper;
  if (!upper || !lower || (place === 0 && upper.budget > budget)) return null;
  const width = upper.budget - lower.budget;
  const part = width > 0 ? (budget - lower.budget) / width : 0;
  const between = (a: number, b: number): number => a + part * (b - a);
  const before = new Map(lower.allocation?.map((row) => [row.channel, row.spend]));
  return {
    spend: budget,
    outcome: between(lower.outcome ?? 0, upper.outcome ?? 0),
    allocation: (upper.allocation ?? []).map((row) => ({
      channel: row.channel,
      spend: between(before.get(row.channel) ?? row.spend, row.spend),
    })),
  };
}

/** Budgets of the sweep: evenly from a quarter to the most that can be spent. */
export function sweepBudgets(today: number, most: number): number[] {
  const low = today * 0.25;
  const high = Math.max(most, today * 1.01);
  const count = 21;
  return Array.from({ length: count }, (_, i) => Math.round(low + ((high - low) * i) / (count - 1)));
}
