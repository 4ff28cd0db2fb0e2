/** Parts that every view is made of: questions asked once, tables, messages, fields of money. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { Refused } from "./api";
import type { Cell, Table } from "./export";
import { amount, typed } from "./format";

export interface Asked<T> {
  /** The newest answer, be it of an older question. */
  value: T | null;
  /** The answer is of the question that is asked now. */
  fresh: boolean;
  error: Error | null;
  again: () => void;
}

/** Asks whenever `key` changes, after a pause; answers to older questions are dropped. */
export function useAsked<T>(
  key: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
  pauseMs = 0,
): Asked<T> {
  const [found, setFound] = useState<{ key: string; value: T | null; error: Error | null } | null>(
    null,
  );
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    const timer = setTimeout(() => {
      ask(control.signal).then(
        (value) => {
          if (!control.signal.aborted) setFound({ key, value, error: null });
        },
        (error: unknown) => {
          if (control.signal.aborted) return;
          const told = error instanceof Error ? error : new Error(String(error));
          setFound((before) => ({ key, value: before?.value ?? null, error: told }));
        },
      );
    }, pauseMs);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [key, turn]);
  const now = found !== null && found.key === key;
  return {
    value: found?.value ?? null,
    fresh: now && found.error === null,
    error: now ? found.error : null,
    again: () => {
      setTurn((before) => before + 1);
    },
  };
}

export function Message(props: {
  kind: "bad" | "warn" | "good" | "plain";
  title?: string;
  children?: ComponentChildren;
}): JSX.Element {
  const sign = { bad: "✕", warn: "!", good: "✓", plain: "i" }[props.kind];
  return (
    <div class={`message ${props.kind}`} role={props.kind === "bad" ? "alert" : "status"}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      <div>
        {props.title ? <strong>{props.title}</strong> : null}
        {props.children}
      </div>
    </div>
  );
}

/** What went wrong, and the way on. */
export function Trouble(props: { error: Error; again?: () => void }): JSX.Element {
  const problem = props.error instanceof Refused ? props.error.problem : null;
  const away = problem === null || problem.status >= 500;
  return (
    <Message kind="bad" title={problem?.title ?? "No answer"}>
      <p>{props.error.message}</p>
      {problem?.errors && problem.errors.length > 1 ? (
        <ul>
          {problem.errors.map((fault) => (
            <li key={fault.pointer + fault.message}>{fault.message}</li>
          ))}
        </ul>
      ) : null}
      {away && props.again ? <button onClick={props.again}>Try again</button> : null}
    </Message>
  );
}

export function Faults(props: { id: string; texts: readonly string[] | undefined }): JSX.Element | null {
  return props.texts?.length ? (
    <span class="fault" id={props.id} role="alert">
      {props.texts.join(" ")}
    </span>
  ) : null;
}

/** An amount of money to be typed; tells null where it is empty. */
export function Money(props: {
  label: string;
  value: number | null;
  hint?: string;
  faults?: readonly string[] | undefined;
  hideLabel?: boolean;
  onValue: (value: number | null) => void;
}): JSX.Element {
  const id = useId();
  const [text, setText] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const shown = text ?? (props.value === null ? "" : amount(props.value));
  const faults = wrong ? ["Write an amount, such as 25,000."] : props.faults;
  const settle = (): void => {
    if (text === null) return;
    const value = typed(text);
    setWrong(value === undefined);
    if (value === undefined) return;
    setText(null);
    if (value !== props.value) props.onValue(value);
  };
  return (
    <span class="field">
      <label for={id} class={props.hideLabel ? "unseen" : ""}>
        {props.label}
      </label>
      <input
        id={id}
        ref={field}
        inputMode="decimal"
        autocomplete="off"
        value={shown}
        placeholder={props.hint ?? ""}
        aria-invalid={faults?.length ? "true" : undefined}
        aria-describedby={faults?.length ? `${id}-fault` : undefined}
        onInput={(event) => {
          setText(event.currentTarget.value);
        }}
        onBlur={settle}
        onKeyDown={(event) => {
          if (event.key === "Enter") settle();
          if (event.key === "Escape") {
            setText(null);
            setWrong(false);
          }
        }}
      />
      <Faults id={`${id}-fault`} texts={faults} />
    </span>
  );
}

export function Grid(props: {
  caption: string;
  table: Table;
  write?: (value: Cell, column: number) => string;
}): JSX.Element {
  const write = props.write ?? ((value: Cell) => (typeof value === "number" ? amount(value) : (value ?? "–")));
  return (
    <div class="table" tabIndex={0} role="region" aria-label={props.caption}>
      <table>
        <caption>{props.caption}</caption>
        <thead>
          <tr>
            {props.table.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.table.rows.map((row) => (
            <tr key={String(row[0])}>
              {row.map((value, column) =>
                column === 0 ? (
                  <th key={column} scope="row">
                    {write(value, column)}
                  </th>
                ) : (
                  <td key={column}>{write(value, column)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
