/** Up to four kept plans side by side, each also against today's mix at the same money. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import type { Shown } from "./app";
import { post } from "./api";
import type { Cell, Table } from "./export";
import { csvOf, download, excel } from "./export";
import { amount, percent, signed, spoken } from "./format";
import type { Allocated, Evaluated, Optimized, Totals } from "./messages";
import { asked } from "./question";
import type { Kept } from "./state";
import { Grid, Message, Trouble, useAsked } from "./ui";

interface Scored {
  totals: Totals;
  allocation: Allocated[];
  mix: number | null;
  own: boolean;
}

async function scored(shown: Shown, kept: Kept, signal: AbortSignal): Promise<Scored> {
  const { question } = kept;
  const request = { ...asked(shown.state, question, question.budget), include: [] };
  const best = await post<Optimized>("optimize", request, signal);
  const mix = best.today_scaled ? best.today_scaled.uplift : best.totals.uplift;
  if (!Object.values(question.rows).some((row) => row.own !== null))
    return { totals: best.totals, allocation: best.allocation, mix, own: false };
  const plan = shown.detail.channels.map(({ channel, current_spend }) => ({
    channel,
    spend: question.rows[channel]?.own ?? current_spend ?? 0,
  }));
  const own = await post<Evaluated>("evaluate", { problem: request, plan }, signal);
  return { totals: own.totals, allocation: own.allocation, mix: null, own: true };
}

export function Compare(shown: Shown): JSX.Element {
  const { state, change, detail } = shown;
  const curves = state.version ?? detail.curves_version ?? "";
  const answer = useAsked(
    state.kept.length ? `${curves} ${JSON.stringify(state.kept.map((kept) => kept.question))}` : null,
    async (signal) => {
      const found: Scored[] = [];
      for (const kept of state.kept) found.push(await scored(shown, kept, signal));
      return found;
    },
  );
  const outcome = detail.outcome ?? "outcome";
  const plans = answer.fresh ? answer.value : null;
  const base = plans?.[state.base];
  const names = state.kept.map((kept, place) => (place === state.base ? `${kept.name} (base)` : kept.name));
  const tables = useMemo(
    () => (plans && base ? tablesOf(plans, base, names, outcome) : null),
    [plans, base, names.join(), outcome],
  );
  if (!state.kept.length)
    return (
      <section class="panel start">
        <h2>No plans are kept yet</h2>
        <p>Make a plan, keep it, make another one: here they stand side by side.</p>
        <button
          class="main"
          onClick={() => {
            change({ view: "plan" });
          }}
        >
          To the plan
        </button>
      </section>
    );
  return (
    <>
      <section class="panel" aria-label="Kept plans">
        <h2>Kept plans</h2>
        <div class="two">
          {state.kept.map((kept, place) => (
            <div class="card" key={kept.name}>
              <span class="field">
                <label for={`name-${String(place)}`}>Name</label>
                <input
                  id={`name-${String(place)}`}
                  value={kept.name}
                  maxLength={40}
                  onChange={(event) => {
                    const name = event.currentTarget.value.trim() || kept.name;
                    change({ kept: state.kept.map((one, at) => (at === place ? { ...one, name } : one)) });
                  }}
                />
              </span>
              <p class="muted">
                {amount(kept.question.budget)}
                {plans?.[place]?.own ? ", your own split" : ""}
                {kept.question.keep ? ", only the extra money placed" : ""}
              </p>
              <div class="row">
                <label class="check">
                  <input
                    type="radio"
                    name="base"
                    checked={place === state.base}
                    onChange={() => {
                      change({ base: place });
                    }}
                  />
                  base
                </label>
                <button
                  onClick={() => {
                    change({ view: "plan", question: kept.question });
                  }}
                >
                  Open
                </button>
                <button
                  aria-label={`Drop ${kept.name}`}
                  onClick={() => {
                    change({ kept: state.kept.filter((_, at) => at !== place), base: 0 });
                  }}
                >
                  Drop
                </button>
              </div>
            </div>
          ))}
        </div>
      </section>
      {answer.error ? <Trouble error={answer.error} again={answer.again} /> : null}
      {!plans && !answer.error ? <p class="wait">The plans are worked out …</p> : null}
      {tables ? (
        <>
          <section class="panel" aria-label="Totals">
            <Grid
              caption="Totals"
              table={tables.totals}
              write={(value) => (typeof value === "number" ? amount(value) : (value ?? "–"))}
            />
          </section>
          <section class="panel" aria-label="By channel">
            <Grid
              caption={`Spend by channel, and the difference to ${names[state.base] ?? "the base"}`}
              table={tables.channels}
              write={(value, column) =>
                typeof value !== "number"
                  ? (value ?? "–")
                  : tables.channels.head[column]?.endsWith(" − base")
                    ? signed(value)
                    : amount(value)
              }
            />
            <div class="row">
              <button
                onClick={() => {
                  download(`compare-${detail.dataset}.csv`, csvOf(tables.channels), "text/csv");
                }}
              >
                CSV
              </button>
              <button
                onClick={() => {
                  void excel(`compare-${detail.dataset}.xlsx`, tables.channels);
                }}
              >
                Excel
              </button>
            </div>
          </section>
          {plans?.some((plan) => plan.totals.probability_better === null) ? (
            <Message kind="plain" title="Curves without draws have no intervals" />
          ) : null}
        </>
      ) : null}
    </>
  );
}

function tablesOf(plans: Scored[], base: Scored, names: string[], outcome: string): { totals: Table; channels: Table } {
  const row = (name: string, of: (plan: Scored) => Cell): Cell[] => [name, ...plans.map(of)];
  const spends = (plan: Scored): Map<string, number> => new Map(plan.allocation.map((one) => [one.channel, one.spend]));
  const based = spends(base);
  const all = plans.map(spends);
  return {
    totals: {
      head: ["", ...names],
      rows: [
        row("spend", (plan) => plan.totals.spend),
        row(`${outcome} by media`, (plan) => plan.totals.outcome),
        row("  90 % from", (plan) => plan.totals.outcome_interval?.[0] ?? null),
        row("  90 % to", (plan) => plan.totals.outcome_interval?.[1] ?? null),
        row("more than today", (plan) => signed(plan.totals.uplift)),
        row("more than today's mix at this money", (plan) => (plan.own ? "–" : signed(plan.mix))),
        row("better than today in", (plan) => percent(plan.totals.probability_better)),
        row("against the base", (plan) => (plan === base ? "–" : signed(plan.totals.outcome - base.totals.outcome))),
      ],
    },
    channels: {
      head: ["channel", ...names.flatMap((name, at) => (plans[at] === base ? [name] : [name, `${name} − base`]))],
      rows: [...based.keys()].map((channel) => [
        spoken(channel),
        ...all.flatMap((plan, at) => {
          const spend = plan.get(channel) ?? 0;
          return plans[at] === base ? [spend] : [spend, spend - (based.get(channel) ?? 0)];
        }),
      ]),
    },
  };
}
