/** The question on the left: goal, money, and what each channel may spend. */

import type { JSX } from "preact";

import { amount, spoken } from "./format";
import type { Allocated, Detail, Responses } from "./messages";
import type { Goal, Question, Row } from "./state";
import { isPlain, MOST_KEPT, NO_QUESTION, NO_ROW } from "./state";
import { Faults, Money } from "./ui";

interface Asking {
  question: Question;
  onQuestion: (question: Question) => void;
  detail: Detail;
  rows: readonly Allocated[];
  ceilings: Responses | null;
  budget: number;
  most: number;
  unit: string;
  outcome: string;
  faults: Record<string, string[]>;
  kept: number;
  onKeep: () => void;
}

export function Controls(props: Asking): JSX.Element {
  const { question, detail, budget, most, faults } = props;
  const set = (part: Partial<Question>): void => {
    props.onQuestion({ ...question, ...part });
  };
  const setRow = (channel: string, part: Partial<Row>): void => {
    const row = { ...(question.rows[channel] ?? NO_ROW), ...part };
    const rows = { ...question.rows, [channel]: row };
    if (isPlain(row)) Reflect.deleteProperty(rows, channel);
    set({ rows });
  };
  const found = new Map(props.rows.map((row) => [row.channel, row]));
  const ceilings = new Map(props.ceilings?.curves.map((curve) => [curve.channel, curve.max_spend]));
  const ends = question.goal !== "minimize_spend";
  return (
    <form
      class="panel controls"
      aria-label="What to plan"
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <span class="field">
        <label for="goal">Goal</label>
        <select
          id="goal"
          value={question.goal}
          onChange={(event) => {
            set({ goal: event.currentTarget.value as Goal });
          }}
        >
          <option value="maximize_outcome">Most {props.outcome} for the budget</option>
          <option value="maximize_profit">Most profit</option>
          <option value="minimize_spend">Least spend for an outcome</option>
        </select>
      </span>
      {question.goal === "maximize_profit" ? (
        <Money
          label={`What one unit of ${props.outcome} is worth`}
          value={question.value}
          faults={faults["value"]}
          onValue={(value) => {
            set({ value });
          }}
        />
      ) : null}
      {question.goal === "minimize_spend" ? (
        <Money
          label={`${props.outcome} to be reached per ${detail.frequency ?? "period"}`}
          value={question.target}
          faults={faults["target"]}
          onValue={(target) => {
            set({ target });
          }}
        />
      ) : null}
      {ends ? (
        <div>
          <Money
            label={`Budget, ${props.unit}`}
            value={budget}
            faults={faults["budget"]}
            onValue={(value) => {
              set({ budget: value });
            }}
          />
          <input
            type="range"
            aria-label="Budget"
            aria-valuetext={amount(budget)}
            min={0}
            max={Math.max(most, budget)}
            step={stepOf(most)}
            value={budget}
            onInput={(event) => {
              set({ budget: Number(event.currentTarget.value) });
            }}
          />
        </div>
      ) : (
        <Faults id="budget-fault" texts={faults["budget"]} />
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={question.keep}
          onChange={(event) => {
            set({ keep: event.currentTarget.checked });
          }}
        />
        Place only the extra money
      </label>
      <Faults id="keep-fault" texts={faults["keep"]} />
      <span class="field">
        <label for="last">What stands for today</label>
        <select
          id="last"
          value={String(question.last ?? "")}
          onChange={(event) => {
            set({ last: event.currentTarget.value ? Number(event.currentTarget.value) : null });
          }}
        >
          <option value="">
            the last quarter{detail.today ? ` (${detail.today.from} to ${detail.today.to})` : ""}
          </option>
          {[4, 8, 26, 52].map((count) => (
            <option key={count} value={String(count)}>
              the last {count} {detail.frequency ?? "period"}s
            </option>
          ))}
        </select>
      </span>
      <div class="row">
        <button type="button" class="main" disabled={props.kept >= MOST_KEPT} onClick={props.onKeep}>
          Keep this plan
        </button>
        <button
          type="button"
          onClick={() => {
            props.onQuestion(NO_QUESTION);
          }}
        >
          Reset
        </button>
        {props.kept ? <span class="muted">{props.kept} kept</span> : null}
      </div>
      <div class="channels">
        {detail.channels.map(({ channel, current_spend: usual }) => {
          const row = question.rows[channel] ?? NO_ROW;
          const now = found.get(channel)?.current_spend ?? usual;
          const name = spoken(channel);
          return (
            <fieldset class="channel plain" key={channel}>
              <legend class="unseen">{name}</legend>
              <div class="head">
                <span class="name">{name}</span>
                <span class="figures">
                  now {amount(now)} → {amount(found.get(channel)?.spend)}
                </span>
                <label class="check">
                  <input
                    type="checkbox"
                    checked={row.locked}
                    onChange={(event) => {
                      setRow(channel, { locked: event.currentTarget.checked });
                    }}
                  />
                  lock<span class="unseen"> {name}</span>
                </label>
              </div>
              <Faults id={`lock-${channel}`} texts={faults[`channel:${channel}:locked`]} />
              <div class="limits">
                <Money
                  label={`floor`}
                  value={row.min}
                  hint="0"
                  faults={faults[`channel:${channel}:min`]}
                  onValue={(min) => {
                    setRow(channel, { min });
                  }}
                />
                <Money
                  label={`ceiling`}
                  value={row.max}
                  hint={amount(ceilings.get(channel))}
                  faults={faults[`channel:${channel}:max`]}
                  onValue={(max) => {
                    setRow(channel, { max });
                  }}
                />
                <Money
                  label={`own spend`}
                  value={row.own}
                  hint={amount(now)}
                  onValue={(own) => {
                    setRow(channel, { own });
                  }}
                />
              </div>
            </fieldset>
          );
        })}
      </div>
    </form>
  );
}

/** A step that is round, and small beside the range. */
function stepOf(most: number): number {
  return Math.max(1, 10 ** Math.floor(Math.log10(Math.max(most, 10) / 400)));
}
