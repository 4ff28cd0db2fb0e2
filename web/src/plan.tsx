/** The view to plan in: a question on the left, its answer beside it, a preview until it comes. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import type { Shown } from "./app";
import { post, Refused } from "./api";
import { barsPicture, Chart, curvePicture, periodsPicture, sweepPicture, waterfallPicture } from "./charts";
import { Controls } from "./controls";
import type { Table } from "./export";
import { csvOf, download, excel } from "./export";
import { amount, percent, range, signed, spoken } from "./format";
import type { Allocated, Evaluated, Optimized, Responses, Swept, Totals } from "./messages";
import { asked, faultsByField, lacking, previewAt, sweepable, sweepBudgets } from "./question";
import type { Asked } from "./ui";
import { Grid, Message, Trouble, useAsked } from "./ui";

/** An answer for a question; a slider that is being moved does not ask at every step. */
const PAUSE_MS = 220;

export function Plan(shown: Shown): JSX.Element {
  const { state, change, detail, responses } = shown;
  const { question } = state;
  const nows = detail.channels.map((row) => row.current_spend);
  const today = nows.reduce<number>((sum, spend) => sum + (spend ?? 0), 0);
  const budget = question.budget ?? Math.round(today);
  const unit = `${detail.currency ?? "money"} per ${detail.frequency ?? "period"}`;
  const outcome = detail.outcome ?? "outcome";
  const lacks = lacking(question);

  const request = asked(state, question, budget);
  const text = JSON.stringify(request);
  const curves = state.version ?? detail.curves_version ?? "";
  const answer = useAsked(
    lacks ? null : `${curves} ${text}`,
    (signal) => post<Optimized>("optimize", request, signal),
    PAUSE_MS,
  );

  const owns = detail.channels.some((row) => typeof question.rows[row.channel]?.own === "number");
  const ownPlan = detail.channels.map((row) => ({
    channel: row.channel,
    spend: question.rows[row.channel]?.own ?? row.current_spend ?? 0,
  }));
  const own = useAsked(
    owns && !lacks ? `${curves} ${text} ${JSON.stringify(ownPlan)}` : null,
    (signal) => post<Evaluated>("evaluate", { problem: { ...request, include: [] }, plan: ownPlan }, signal),
    PAUSE_MS,
  );
  const owned = owns ? own.value : null;

  const most = ceilingOf(responses, today);
  const base = asked(state, question, Math.round(today));
  const swept = useAsked(
    sweepable(question) && responses ? `${curves} ${JSON.stringify(base)} ${String(most)}` : null,
    (signal) =>
      post<Swept>(
        "scenarios",
        { base: { ...base, include: [] }, sweep: { budget: sweepBudgets(today, most) } },
        signal,
      ),
    PAUSE_MS,
  );
  const preview = useMemo(
    () => (answer.fresh || !swept.fresh || !swept.value ? null : previewAt(swept.value.sweep, budget)),
    [answer.fresh, swept.fresh, swept.value, budget],
  );

  const overTime = useAsked(
    answer.fresh && question.goal === "maximize_outcome" ? `${curves} ${text} ${String(state.periods)}` : null,
    (signal) =>
      post<Optimized>(
        "optimize",
        {
          ...request,
          budget: budget * state.periods,
          horizon: { periods: state.periods },
          include: [],
        },
        signal,
      ),
    400,
  );

  const problem = answer.error instanceof Refused ? answer.error.problem : null;
  const faults = problem ? faultsByField(problem, request) : {};
  const told = answer.value;
  const totals = told?.totals ?? null;
  const allocation = useMemo((): Allocated[] => {
    const rows = told?.allocation ?? [];
    if (!preview) return rows;
    const spends = new Map(preview.allocation.map((row) => [row.channel, row.spend]));
    return rows.map((row) => ({ ...row, spend: spends.get(row.channel) ?? row.spend, spend_interval: null }));
  }, [told, preview]);
  const stale = told !== null && !answer.fresh;

  return (
    <>
      {told?.trust?.step ? (
        <Message kind={told.trust.step.advice === "move" ? "good" : "warn"} title={ADVICE[told.trust.step.advice]}>
          <p>{told.trust.step.text}</p>
        </Message>
      ) : null}
      <div class="work">
        <Controls
          question={question}
          onQuestion={(next) => {
            change({ question: next });
          }}
          detail={detail}
          rows={allocation}
          ceilings={responses}
          budget={budget}
          most={most}
          unit={unit}
          outcome={outcome}
          faults={faults}
          onKeep={() => {
            const kept = [...state.kept, { name: nameOf(state.kept.length), question: { ...question, budget } }];
            change({ kept: kept.slice(-4) });
          }}
          kept={state.kept.length}
        />
        <div class="middle">
          {lacks ? <Message kind="plain" title={lacks} /> : null}
          {answer.error && !problem ? <Trouble error={answer.error} again={answer.again} /> : null}
          {problem ? (
            <Message kind="bad" title={problem.title}>
              <p>{(faults[""] ?? [problem.detail]).join(" ")}</p>
              {told ? <p>What is shown below is the last plan that could be made.</p> : null}
            </Message>
          ) : null}
          <Cards
            totals={totals}
            answer={told}
            preview={preview}
            baseline={responses?.baseline ?? null}
            stale={stale}
            own={owned?.totals ?? null}
            outcome={outcome}
            unit={unit}
            loading={!told && !answer.error}
          />
          {owned ? <Own own={owned} outcome={outcome} fresh={own.fresh} /> : null}
          {own.error ? <Trouble error={own.error} again={own.again} /> : null}
          {told ? (
            <>
              <section class="panel pictures" aria-label="The plan in pictures">
                <Bars rows={allocation} own={owned?.allocation ?? null} unit={unit} stale={stale && !preview} />
                <Waterfall rows={told.allocation} outcome={outcome} stale={stale} />
                <Budgets swept={swept} now={totals?.current_spend ?? null} best={budget} outcome={outcome} unit={unit} />
                <OverTime
                  asked={overTime}
                  periods={state.periods}
                  unit={unit}
                  word={detail.frequency ?? "period"}
                  possible={question.goal === "maximize_outcome"}
                  onPeriods={(periods) => {
                    change({ periods });
                  }}
                />
              </section>
              <section class="panel" aria-label="Response curves">
                <div class="figure-head">
                  <h2>What each channel brings</h2>
                </div>
                <p class="muted">
                  Expected {outcome} per {detail.frequency ?? "period"} from spend kept up in every one, with its 90 %
                  band. Points are past periods; beyond the shade&rsquo;s edge nothing was observed.
                </p>
                <Curves responses={responses} rows={allocation} own={owned?.allocation ?? null} outcome={outcome} unit={unit} />
              </section>
              <Numbers rows={told.allocation} own={owned} outcome={outcome} dataset={detail.dataset} />
            </>
          ) : null}
        </div>
        <div class="side">{told ? <Sentences answer={told} /> : null}</div>
      </div>
    </>
  );
}

const ADVICE = {
  move: "Move",
  half: "Go half of the way",
  hold_or_test: "Do not move yet: hold, or test",
};

function nameOf(count: number): string {
  return `Plan ${"ABCDEFGH"[count] ?? String(count + 1)}`;
}

/** What can be spent in all: the ceilings that hold unless the question tells others. */
function ceilingOf(responses: Responses | null, today: number): number {
  const tops = responses?.curves.map((curve) => curve.max_spend) ?? [];
  const sum = tops.reduce<number>((total, top) => total + (top ?? 0), 0);
  return tops.length && !tops.includes(null) ? Math.floor(sum) : Math.round(2 * today);
}

function howSure(probability: number | null): string {
  if (probability === null) return "How surely is not known: these curves carry no draws.";
  const share = percent(probability);
  if (probability >= 0.95) return `Better than today in ${share} of the draws: quite sure.`;
  if (probability >= 0.8) return `Better than today in ${share} of the draws: likely.`;
  if (probability > 0.5) return `Better than today in ${share} of the draws: not sure enough to move.`;
  return `Better than today in only ${share} of the draws.`;
}

function Cards(props: {
  totals: Totals | null;
  answer: Optimized | null;
  preview: { outcome: number } | null;
  baseline: number | null;
  own: Totals | null;
  stale: boolean;
  loading: boolean;
  outcome: string;
  unit: string;
}): JSX.Element {
  const { totals, preview, baseline } = props;
  const media = preview?.outcome ?? totals?.outcome ?? null;
  const scaled = props.answer?.today_scaled;
  const mark = preview ? <span class="mark">preview</span> : props.stale ? <span class="mark">being worked out</span> : null;
  return (
    <dl class={`cards ${props.stale && !preview ? "stale" : ""}`} aria-live="polite" aria-busy={props.stale || props.loading}>
      <div class="card">
        <dt>
          {props.outcome} by media {mark}
        </dt>
        <dd class="big" id="media-outcome">
          {amount(media)}
        </dd>
        <dd class="small">{preview ? "between two plans of the sweep" : interval(totals?.outcome_interval)}</dd>
      </div>
      <div class="card">
        <dt>with the baseline {mark}</dt>
        <dd class="big">{media === null || baseline === null ? "–" : amount(media + baseline)}</dd>
        <dd class="small">{baseline === null ? "no baseline is known" : `of which ${amount(baseline)} comes anyway`}</dd>
      </div>
      <div class="card">
        <dt>more than today {props.stale ? <span class="mark">of the last plan</span> : null}</dt>
        <dd class="big">{signed(totals?.uplift)}</dd>
        <dd class="small">
          {percent(totals?.uplift_share, true)} for {moreSpend(totals)}
          {totals?.uplift_interval ? `; ${interval(totals.uplift_interval)}` : ""}
        </dd>
      </div>
      <div class="card">
        <dt>how sure {props.stale ? <span class="mark">of the last plan</span> : null}</dt>
        <dd>{totals ? howSure(scaled ? scaled.probability_better : totals.probability_better) : "–"}</dd>
        {scaled ? (
          <dd class="small">
            Against today&rsquo;s mix at the same money: {signed(scaled.uplift)} ({interval(scaled.uplift_interval)}).
          </dd>
        ) : null}
      </div>
    </dl>
  );
}

/** How much more money a plan takes; to the unit of money it is the same. */
function moreSpend(totals: Totals | null): string {
  if (totals === null || totals.current_spend === null) return "spend that is not known";
  const more = totals.spend - totals.current_spend;
  return Math.abs(more) < 1 ? "the same spend" : `${signed(more)} spend`;
}

function interval(ends: readonly number[] | null | undefined): string {
  return ends ? `90 %: ${range(ends)}` : "no interval is known";
}

function Own(props: { own: Evaluated; outcome: string; fresh: boolean }): JSX.Element {
  const { own } = props;
  return (
    <Message kind={own.violations.length ? "warn" : "plain"} title={`Your own split${props.fresh ? "" : " (being scored)"}`}>
      <p>
        {amount(own.totals.spend)} bring {amount(own.totals.outcome)} {props.outcome}
        {own.totals.uplift === null ? "" : `, ${signed(own.totals.uplift)} against today`}; the best plan brings{" "}
        {amount(own.regret)} more.
      </p>
      {own.best_move ? <p>{own.best_move.text}</p> : null}
      {own.violations.length ? (
        <ul>
          {own.violations.map((violation) => (
            <li key={violation.name}>{violation.message}</li>
          ))}
        </ul>
      ) : null}
    </Message>
  );
}

function Bars(props: { rows: Allocated[]; own: Allocated[] | null; unit: string; stale: boolean }): JSX.Element {
  const picture = useMemo(() => barsPicture(props.rows, props.own, props.unit), [props.rows, props.own, props.unit]);
  return <Chart picture={picture} stale={props.stale} />;
}

function Waterfall(props: { rows: Allocated[]; outcome: string; stale: boolean }): JSX.Element {
  const picture = useMemo(() => waterfallPicture(props.rows, props.outcome, ""), [props.rows, props.outcome]);
  return <Chart picture={picture} stale={props.stale} />;
}

function Budgets(props: {
  swept: Asked<Swept>;
  now: number | null;
  best: number;
  outcome: string;
  unit: string;
}): JSX.Element {
  const { swept, now, best, outcome, unit } = props;
  const picture = useMemo(
    () =>
      swept.value
        ? sweepPicture(swept.value.sweep, [{ name: "now", spend: now }, { name: "best", spend: best }], outcome, unit)
        : null,
    [swept.value, now, best, outcome, unit],
  );
  if (!picture)
    return <p class="wait">{swept.error ? "The sweep of budgets could not be made." : "Budgets beside this one are worked out …"}</p>;
  return <Chart picture={picture} stale={!swept.fresh} />;
}

function OverTime(props: {
  asked: Asked<Optimized>;
  periods: number;
  unit: string;
  word: string;
  possible: boolean;
  onPeriods: (periods: number) => void;
}): JSX.Element {
  const shares = useMemo(
    () => (props.asked.value ? periodsPicture(props.asked.value.allocation, true, props.unit) : null),
    [props.asked.value, props.unit],
  );
  const money = useMemo(
    () => (props.asked.value ? periodsPicture(props.asked.value.allocation, false, props.unit) : null),
    [props.asked.value, props.unit],
  );
  if (!props.possible) return <p class="wait">A plan by period is shown for the goal of most outcome.</p>;
  return (
    <div>
      <label class="row no-print">
        Plan over
        <select
          class="narrow"
          value={String(props.periods)}
          onChange={(event) => {
            props.onPeriods(Number(event.currentTarget.value));
          }}
        >
          {[4, 8, 13, 26].map((count) => (
            <option key={count} value={String(count)}>
              {count} {props.word}s
            </option>
          ))}
        </select>
      </label>
      {props.asked.error ? <Trouble error={props.asked.error} again={props.asked.again} /> : null}
      {money && shares ? (
        <>
          <Chart picture={money} stale={!props.asked.fresh} />
          <Chart
            picture={{ ...shares, name: "period-shares", title: "The same in shares" }}
            stale={!props.asked.fresh}
          />
        </>
      ) : (
        <p class="wait">The plan by period is worked out …</p>
      )}
    </div>
  );
}

function Curves(props: {
  responses: Responses | null;
  rows: Allocated[];
  own: Allocated[] | null;
  outcome: string;
  unit: string;
}): JSX.Element {
  const { responses, rows, own, outcome, unit } = props;
  const pictures = useMemo(() => {
    const best = new Map(rows.map((row) => [row.channel, row]));
    const owned = new Map(own?.map((row) => [row.channel, row.spend]));
    return (responses?.curves ?? []).map((curve) =>
      curvePicture(
        curve,
        [
          { name: "now", spend: best.get(curve.channel)?.current_spend ?? curve.current_spend },
          { name: "best", spend: best.get(curve.channel)?.spend ?? null },
          { name: "own", spend: owned.get(curve.channel) ?? null },
        ],
        outcome,
        unit,
      ),
    );
  }, [responses, rows, own, outcome, unit]);
  if (!responses) return <p class="wait">The curves are drawn …</p>;
  return (
    <div class="curves">
      {pictures.map((picture) => (
        <Chart key={picture.name} picture={picture} />
      ))}
    </div>
  );
}

function Numbers(props: {
  rows: Allocated[];
  own: Evaluated | null;
  outcome: string;
  dataset: string;
}): JSX.Element {
  const owned = new Map(props.own?.allocation.map((row) => [row.channel, row]));
  const table: Table = {
    head: [
      ...["channel", "now", "plan", "change", "change %", props.outcome, "low", "high", "next unit brings"],
      ...(props.own ? ["own", `${props.outcome} of own`] : []),
      "held by",
    ],
    rows: props.rows.map((row) => [
      ...[spoken(row.channel), row.current_spend, row.spend, row.change, row.change_share, row.outcome],
      ...[row.outcome_interval?.[0] ?? null, row.outcome_interval?.[1] ?? null, row.marginal_return],
      ...(props.own ? [owned.get(row.channel)?.spend ?? null, owned.get(row.channel)?.outcome ?? null] : []),
      row.binding.join(", "),
    ]),
  };
  const name = `plan-${props.dataset}`;
  return (
    <section class="panel" aria-label="The plan in numbers">
      <Grid
        caption="The plan in numbers"
        table={table}
        write={(value, column) =>
          column === 3
            ? signed(value as number | null)
            : column === 4
              ? percent(value as number | null, true)
              : typeof value === "number"
                ? amount(value)
                : (value ?? "–")
        }
      />
      <div class="row">
        <button
          onClick={() => {
            download(`${name}.csv`, csvOf(table), "text/csv");
          }}
        >
          CSV
        </button>
        <button
          onClick={() => {
            void excel(`${name}.xlsx`, table);
          }}
        >
          Excel
        </button>
        <button
          onClick={() => {
            print();
          }}
        >
          Print
        </button>
      </div>
    </section>
  );
}

function Sentences(props: { answer: Optimized }): JSX.Element {
  const { explanation, warnings, shadow_prices: prices, certificate } = props.answer;
  return (
    <>
      {warnings.length ? (
        <section class="panel" aria-label="Warnings">
          <h2>Warnings</h2>
          {warnings.map((warning) => (
            <Message key={warning.code + warning.message} kind="warn">
              <p>{warning.message}</p>
            </Message>
          ))}
        </section>
      ) : null}
      <section class="panel" aria-label="In sentences">
        <h2>In sentences</h2>
        <ul>
          {explanation.map((sentence) => (
            <li key={sentence.code + sentence.text}>{sentence.text}</li>
          ))}
        </ul>
      </section>
      <section class="panel" aria-label="Limits in force">
        <h2>Limits in force</h2>
        <Grid
          caption="What one more unit of each limit is worth"
          table={{ head: ["limit", "worth"], rows: prices.map((price) => [price.name, price.value]) }}
        />
        <p class="muted">
          {certificate.proven ? "Proven: no plan within the limits is better" : "Not proven to be the best"}
          {certificate.relative_gap === null || certificate.relative_gap < 5e-4
            ? ""
            : ` by more than ${percent(certificate.relative_gap)}`}
          .
        </p>
      </section>
    </>
  );
}
