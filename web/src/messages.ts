/** What the service answers, as far as the page reads it (docs/contract.md). */

export type Span = readonly [number, number];

export interface Allocated {
  channel: string;
  spend: number;
  current_spend: number | null;
  change: number | null;
  change_share: number | null;
  outcome: number;
  current_outcome: number | null;
  outcome_interval: Span | null;
  spend_interval: Span | null;
  marginal_return: number | null;
  binding: string[];
  extrapolated: boolean | null;
  periods?: { period: number; start: string | null; spend: number; outcome: number }[] | null;
}

export interface Totals {
  spend: number;
  outcome: number;
  outcome_interval: Span | null;
  current_spend: number | null;
  current_outcome: number | null;
  uplift: number | null;
  uplift_share: number | null;
  uplift_interval: Span | null;
  probability_better: number | null;
  profit: number | null;
}

export interface Sentence {
  code: string;
  text: string;
}

export interface Caution {
  code: string;
  message: string;
}

export interface Trust {
  score: number;
  text: string;
  parts: { part: string; score: number | null; text: string }[];
  step?: { advice: "move" | "half" | "hold_or_test"; max_change: number; text: string } | null;
}

export interface Optimized {
  status: string;
  allocation: Allocated[];
  totals: Totals;
  today_scaled: {
    spend: number;
    outcome: number;
    uplift: number;
    uplift_interval: Span | null;
    probability_better: number | null;
  } | null;
  certificate: { proven: boolean; relative_gap: number | null; method: string };
  shadow_prices: { name: string; value: number | null; unit: string }[];
  trust: Trust | null;
  explanation: Sentence[];
  warnings: Caution[];
  curves_version: string | null;
}

export interface Evaluated {
  allocation: Allocated[];
  totals: Totals;
  violations: { name: string; amount: number; message: string }[];
  regret: number;
  best_move: { text: string } | null;
}

export interface SweepRow {
  budget: number;
  status: string;
  spend?: number;
  outcome?: number;
  outcome_interval?: Span | null;
  marginal_return?: number | null;
  allocation?: { channel: string; spend: number }[];
}

export interface Swept {
  sweep: SweepRow[];
}

export interface CurvePoint {
  spend: number;
  outcome: number;
  low: number | null;
  high: number | null;
}

export interface Curve {
  channel: string;
  current_spend: number | null;
  observed_max: number | null;
  max_spend: number | null;
  points: CurvePoint[];
  observed: [number, number][] | null;
}

export interface Responses {
  curves_version: string;
  baseline: number | null;
  curves: Curve[];
}

export interface Finding {
  code: string;
  message: string;
  settled_by: string | null;
}

export interface Run {
  run: string;
  state: string;
  created_at: string;
  progress: { stage: string; fraction: number };
  reasons: string[];
  curves_version: string | null;
  errors: Fault[];
}

export interface Detail {
  dataset: string;
  has_history: boolean;
  curves_version: string | null;
  currency: string | null;
  outcome: string | null;
  frequency: string | null;
  first: string | null;
  last: string | null;
  trust: Trust | null;
  today: { from: string; to: string; periods: number } | null;
  channels: { channel: string; current_spend: number | null }[];
  last_run: Run | null;
  to_settle: Finding[];
}

export interface Stored {
  rows: number;
  first: string | null;
  last: string | null;
  frequency: string | null;
  findings: Finding[];
  data_report?: DataReport | null;
}

export interface DataReport {
  verdict: string;
  why: string | string[];
  would_help: string[];
}

export interface Version {
  version: string;
  created_at?: string;
  current?: boolean;
}

export interface Design {
  channel: string;
  text?: string;
  test_spend: number | null;
  usual_spend?: number | null;
  periods: number | null;
  power?: number | null;
  expected_lift: number | null;
  minimum_detectable_lift: number | null;
}

export interface Experiment {
  first: string | null;
  designs: Design[];
  explanation?: Sentence[];
}

export interface Fault {
  pointer: string;
  code: string;
  message: string;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: Fault[];
  conflicts?: { name: string; message: string; missed_by: number }[];
}
