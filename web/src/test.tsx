/** Which channel to test first, how much, how long; the design goes out as a brief. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { Shown } from "./app";
import { post } from "./api";
import { download } from "./export";
import { amount, percent, signed, spoken } from "./format";
import type { Sentence } from "./messages";
import { asked } from "./question";
import { Grid, Message, Trouble, useAsked } from "./ui";

interface Design {
  channel: string;
  current_spend: number;
  test_spend: number;
  spend_change_share: number | null;
  periods: number;
  wash_in_periods: number;
  total_periods: number;
  expected_lift: number;
  minimum_detectable_lift: number;
  power: number;
  detects: boolean;
  explanation: Sentence[];
  lift_test: unknown;
}

interface Experiment {
  first: string | null;
  designs: Design[];
}

export function Test(shown: Shown): JSX.Element {
  const { state, detail } = shown;
  const [power, setPower] = useState(0.8);
  const [most, setMost] = useState(26);
  const today = detail.channels.reduce((sum, row) => sum + (row.current_spend ?? 0), 0);
  const budget = state.question.budget ?? Math.round(today);
  const request = { base: asked(state, state.question, budget), power, max_periods: most };
  const curves = state.version ?? detail.curves_version ?? "";
  const answer = useAsked(`${curves} ${JSON.stringify(request)}`, (signal) =>
    post<Experiment>("experiment", request, signal),
  );
  const told = answer.value;
  const word = detail.frequency ?? "period";
  return (
    <>
      <section class="panel" aria-label="What the test may take">
        <h2>Test before you move</h2>
        <div class="row">
          <label class="row">
            Power
            <select
              value={String(power)}
              onChange={(event) => {
                setPower(Number(event.currentTarget.value));
              }}
            >
              {[0.7, 0.8, 0.9].map((share) => (
                <option key={share} value={String(share)}>
                  {percent(share)}
                </option>
              ))}
            </select>
          </label>
          <label class="row">
            At most
            <select
              value={String(most)}
              onChange={(event) => {
                setMost(Number(event.currentTarget.value));
              }}
            >
              {[8, 13, 26, 52].map((count) => (
                <option key={count} value={String(count)}>
                  {count} {word}s
                </option>
              ))}
            </select>
          </label>
        </div>
      </section>
      {answer.error ? <Trouble error={answer.error} again={answer.again} /> : null}
      {!told && !answer.error ? <p class="wait">Tests are designed …</p> : null}
      {told ? (
        <>
          <Message
            kind={told.first ? "good" : "warn"}
            title={
              told.first
                ? `Test ${spoken(told.first)} first`
                : `No test of at most ${String(most)} ${word}s finds what the plan is after`
            }
          />
          <section class="panel" aria-label="Designs">
            <Grid
              caption="Designs, the most worth knowing first"
              table={{
                head: ["channel", "now", "in the test", "change", `${word}s`, "expected", "can be found from", "power"],
                rows: told.designs.map((design) => [
                  spoken(design.channel),
                  design.current_spend,
                  design.test_spend,
                  percent(design.spend_change_share, true),
                  design.total_periods,
                  signed(design.expected_lift),
                  design.minimum_detectable_lift,
                  percent(design.power),
                ]),
              }}
            />
          </section>
          <div class="two">
            {told.designs.map((design) => (
              <section class="panel" key={design.channel} aria-label={spoken(design.channel)}>
                <h3>{spoken(design.channel)}</h3>
                <ul>
                  {design.explanation.map((sentence) => (
                    <li key={sentence.code}>{sentence.text}</li>
                  ))}
                </ul>
                <div class="row">
                  <button
                    aria-label={`Download the brief for ${spoken(design.channel)}`}
                    onClick={() => {
                      download(`test-${design.channel}.md`, briefOf(design, word, detail.dataset), "text/markdown");
                    }}
                  >
                    Brief
                  </button>
                </div>
              </section>
            ))}
          </div>
        </>
      ) : null}
    </>
  );
}

function briefOf(design: Design, word: string, dataset: string): string {
  return [
    `# Test of ${spoken(design.channel)}`,
    "",
    `Dataset ${dataset}. Spend ${amount(design.test_spend)} per ${word} in place of ${amount(design.current_spend)}.`,
    `It takes ${String(design.total_periods)} ${word}s in all: ${String(design.periods)} before, ` +
      `${String(design.wash_in_periods)} to settle, ${String(design.periods)} that count.`,
    "",
    ...design.explanation.map((sentence) => `- ${sentence.text}`),
    "",
    "To be filled in when it is over, for `spec.lift_tests`:",
    "",
    "```json",
    JSON.stringify(design.lift_test, null, 2),
    "```",
    "",
  ].join("\n");
}
