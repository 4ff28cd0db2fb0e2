import { describe, expect, it } from "vitest";

import { amount, percent, short, signed, typed } from "../src/format";
import type { Problem } from "../src/messages";
import { asked, faultsByField, previewAt, sweepBudgets } from "../src/question";
import { fieldOf } from "../src/fields";
import type { State } from "../src/state";
import { fromHash, NO_QUESTION, NO_ROW, START, toHash } from "../src/state";

describe("numbers", () => {
  it("are written in one style", () => {
    expect([amount(421292.4), amount(0.8049), amount(-3.2), amount(null)]).toEqual([
      "421,292", "0.805", "−3.2", "–",
    ]);
    expect([signed(12), signed(-12), percent(0.246), percent(-1, true)]).toEqual([
      "+12", "−12", "24.6 %", "−100 %",
    ]);
    expect(short(421292)).toBe("421K");
  });
  it("are read as people type them, and refused where they are none", () => {
    expect([typed("60,000"), typed("1 000.5"), typed(""), typed("12..5"), typed("-3")]).toEqual([
      60000, 1000.5, null, undefined, undefined,
    ]);
  });
});

const state: State = {
  ...START,
  view: "compare",
  dataset: "brand",
  periods: 26,
  question: {
    ...NO_QUESTION,
    budget: 60000.5,
    goal: "maximize_profit",
    value: 2,
    keep: true,
    last: 8,
    rows: { "tv & radio~#": { min: 1, max: 2, own: 3, locked: true } },
  },
  kept: [
    { name: "A & B", question: { ...NO_QUESTION, budget: 5 } },
    { name: "C", question: { ...NO_QUESTION, rows: { tv: { ...NO_ROW, own: 0 } } } },
  ],
  base: 1,
};

describe("the address", () => {
  it("holds the whole state", () => {
    expect(fromHash(`#${toHash(state)}`)).toEqual(state);
  });
  it("makes nothing of what it cannot read", () => {
    expect(fromHash("#view=x&dataset=../a&budget=-1&goal=no&periods=0&base=9&c.tv=~~~")).toEqual(START);
    expect(fromHash("#c.__proto__=1~2~~").question.rows["tv"]).toBeUndefined();
  });
});

describe("a question", () => {
  it("sends what is asked and nothing else", () => {
    expect(asked(state, { ...NO_QUESTION, rows: { tv: { ...NO_ROW, own: 4 } } }, 7)).toEqual({
      dataset: "brand",
      budget: 7,
    });
    expect(asked(state, state.question, 7)["channels"]).toEqual([
      { channel: "tv & radio~#", min_spend: 1, max_spend: 2, locked: true },
    ]);
  });
  it("has its faults beside the fields that made them", () => {
    const request = { channels: [{ channel: "tv" }, { channel: "search" }] };
    const problem: Problem = {
      type: "", title: "", status: 422, detail: "",
      errors: [
        { pointer: "/channels/1/max_spend", code: "", message: "a" },
        { pointer: "/problem/budget", code: "", message: "b" },
        { pointer: "/horizon", code: "", message: "c" },
      ],
      conflicts: [{ name: "tv.locked", message: "d", missed_by: 1 }, { name: "budget", message: "e", missed_by: 1 }],
    };
    expect(faultsByField(problem, request)).toEqual({
      "channel:search:max": ["a"], budget: ["b", "e"], "": ["c"], "channel:tv:locked": ["d"],
    });
  });
});

describe("a preview", () => {
  const rows = [
    { budget: 10, status: "optimal", outcome: 100, allocation: [{ channel: "tv", spend: 10 }] },
    { budget: 20, status: "optimal", outcome: 140, allocation: [{ channel: "tv", spend: 20 }] },
    { budget: 30, status: "infeasible" },
  ];
  it("lies between two plans of the sweep", () => {
    expect(previewAt(rows, 15)).toEqual({ spend: 15, outcome: 120, allocation: [{ channel: "tv", spend: 15 }] });
    expect(previewAt(rows, 20)?.outcome).toBe(140);
  });
  it("is none where the sweep has no plan on both sides", () => {
    expect([previewAt(rows, 5), previewAt(rows, 25), previewAt([], 5)]).toEqual([null, null, null]);
  });
  it("goes up to what can be spent", () => {
    const budgets = sweepBudgets(100, 300);
    expect([budgets[0], budgets.at(-1), budgets.length]).toEqual([25, 300, 21]);
  });
});

describe("an upload", () => {
  it("asks for the field that settles a finding", () => {
    expect(fieldOf("ambiguous_date", null)).toBe("day_first");
    expect(fieldOf("outcome_is_spend", "outcome")).toBe("outcome");
    expect(fieldOf("total_geo", "rows")).toBeNull();
  });
});
