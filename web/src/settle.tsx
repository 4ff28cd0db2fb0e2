/** What an upload asks a person, as fields to be filled in beside the finding that asks. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { fieldOf } from "./fields";
import type { Fault, Finding } from "./messages";
import { Message } from "./ui";

type Settled = Record<string, unknown>;

export function Settle(props: {
  faults: readonly Fault[];
  findings: readonly Finding[];
  columns: readonly string[];
  busy: boolean;
  onSettled: (settled: Settled) => void;
}): JSX.Element {
  const [settled, setSettled] = useState<Settled>({});
  const set = (field: string, value: unknown): void => {
    setSettled((before) => ({ ...before, [field]: value }));
  };
  const told = [
    ...props.faults.map((fault) => ({ message: fault.message, field: fieldOf(fault.code, null) })),
    ...props.findings
      .filter((finding) => finding.settled_by)
      .map((finding) => ({ message: finding.message, field: fieldOf(finding.code, finding.settled_by) })),
  ];
  const shown = told.slice(0, 12);
  const asks = [...new Set(told.map((one) => one.field))].filter((field) => field && ASKS.has(field)) as string[];
  return (
    <div class="panel">
      <Message
        kind={props.faults.length ? "bad" : "warn"}
        title={props.faults.length ? "The file cannot be read yet" : "Stored; this is for you to judge"}
      >
        <ul>
          {shown.map((one) => (
            <li key={one.message}>{one.message}</li>
          ))}
        </ul>
        {told.length > shown.length ? <p>and {told.length - shown.length} more</p> : null}
      </Message>
      {asks.includes("day_first") ? (
        <Choice
          label="In dates such as 01/02/2024"
          options={[["true", "the day comes first"], ["false", "the month comes first"]]}
          onValue={(value) => {
            set("day_first", value === "true");
          }}
        />
      ) : null}
      {asks.includes("decimal") ? (
        <Choice
          label="In numbers such as 1.234 the decimal mark is"
          options={[[".", "a point: 1.234 is a little over one"], [",", "a comma: 1.234 is over a thousand"]]}
          onValue={(value) => {
            set("decimal", value);
          }}
        />
      ) : null}
      {["date", "outcome"].filter((field) => asks.includes(field)).map((field) => (
        <Choice
          key={field}
          label={`Column of the ${field}`}
          options={props.columns.map((column) => [column, column])}
          onValue={(value) => {
            set(field, value);
          }}
        />
      ))}
      {asks.includes("channels") ? (
        <Channels
          columns={props.columns}
          onChannels={(channels) => {
            set("channels", channels);
          }}
        />
      ) : null}
      {asks.length ? (
        <button
          class="main"
          disabled={props.busy || Object.keys(settled).length === 0}
          onClick={() => {
            props.onSettled(settled);
          }}
        >
          Settle and read again
        </button>
      ) : (
        <p class="muted">Mend the file and choose it again.</p>
      )}
    </div>
  );
}

const ASKS = new Set(["day_first", "decimal", "date", "outcome", "channels"]);

function Choice(props: {
  label: string;
  options: readonly (readonly [string, string])[];
  onValue: (value: string) => void;
}): JSX.Element {
  return (
    <label class="field">
      <span class="label">{props.label}</span>
      <select
        onChange={(event) => {
          props.onValue(event.currentTarget.value);
        }}
      >
        <option value="" disabled selected>
          choose
        </option>
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Channels(props: {
  columns: readonly string[];
  onChannels: (channels: { channel: string; spend: string }[]) => void;
}): JSX.Element {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const tell = (next: readonly string[]): void => {
    setChosen(next);
    props.onChannels(
      next.map((column) => ({
        channel: column.toLowerCase().replace(/[^a-z0-9_]+/g, "_").replace(/^spend_|_(spend|cost)$/g, ""),
        spend: column,
      })),
    );
  };
  if (!props.columns.length)
    return (
      <label class="field">
        <span class="label">Columns of spend, by comma</span>
        <input
          onChange={(event) => {
            tell(event.currentTarget.value.split(",").map((text) => text.trim()).filter(Boolean));
          }}
        />
      </label>
    );
  return (
    <fieldset class="channel">
      <legend class="label">Columns of spend</legend>
      {props.columns.map((column) => (
        <label class="check" key={column}>
          <input
            type="checkbox"
            checked={chosen.includes(column)}
            onChange={(event) => {
              tell(event.currentTarget.checked ? [...chosen, column] : chosen.filter((one) => one !== column));
            }}
          />
          {column}
        </label>
      ))}
    </fieldset>
  );
}
