/** The page: which dataset, which view, what the address says, and what to do where nothing can be shown. */

import type { JSX } from "preact";
import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";

import { forget, get, hasKey, keep, page, post, put, Refused, vendored } from "./api";
import { Compare } from "./compare";
import { Data } from "./data";
import { download } from "./export";
import { spoken } from "./format";
import type { Detail, Responses, Run } from "./messages";
import { Plan } from "./plan";
import type { State, View } from "./state";
import { fromHash, NO_QUESTION, toHash } from "./state";
import { Test } from "./test";
import { Trouble, useAsked } from "./ui";
import { Verdict } from "./verdict";

declare const SAMPLE_CSV: string;
declare const SAMPLE_SPEC: string;

export interface Shown {
  state: State;
  change: (part: Partial<State>) => void;
  detail: Detail;
  responses: Responses | null;
  /** Asks the service anew what there is: after an upload, a refit, a roll-back. */
  refresh: () => void;
}

const VIEWS: readonly { view: View; name: string }[] = [
  { view: "plan", name: "Plan" },
  { view: "compare", name: "Compare" },
  { view: "data", name: "Data" },
  { view: "test", name: "Test" },
];

function Page(): JSX.Element {
  const [state, setState] = useState<State>(() => fromHash(location.hash));
  const [turn, setTurn] = useState(0);
  const change = useCallback((part: Partial<State>) => {
    setState((before) => ({ ...before, ...part }));
  }, []);
  const refresh = useCallback(() => {
    setTurn((before) => before + 1);
  }, []);

  useEffect(() => {
    const hash = `#${toHash(state)}`;
    if (hash !== location.hash) history.replaceState(null, "", hash);
    document.title = state.dataset ? `${spoken(state.dataset)} · Marginal` : "Marginal";
  }, [state]);
  useEffect(() => {
    const read = (): void => {
      setState(fromHash(location.hash));
    };
    addEventListener("hashchange", read);
    return () => {
      removeEventListener("hashchange", read);
    };
  }, []);

  const list = useAsked(`list ${String(turn)}`, (signal) =>
    get<{ datasets: { dataset: string; curves_version: string | null }[] }>("datasets", signal),
  );
  const names = list.value?.datasets.map((entry) => entry.dataset) ?? [];
  const dataset = state.dataset ?? names[0] ?? null;
  const detail = useAsked(
    list.value && dataset ? `detail ${dataset} ${String(turn)}` : null,
    (signal) => get<Detail>(`datasets/${dataset ?? ""}`, signal),
  );
  const version = state.version ?? detail.value?.curves_version ?? null;
  const responses = useAsked(
    detail.value?.dataset === dataset && version ? `responses ${dataset ?? ""} ${version}` : null,
    (signal) => get<Responses>(`datasets/${dataset ?? ""}/responses?version=${version ?? ""}`, signal),
  );

  const error = list.error ?? detail.error;
  const problem = error instanceof Refused ? error.problem : null;
  if (problem?.status === 401 || problem?.status === 403)
    return <Key wrong={hasKey()} done={refresh} />;

  const found = detail.value?.dataset === dataset ? detail.value : null;
  const shown: Shown | null =
    found && dataset
      ? {
          state: { ...state, dataset },
          change,
          detail: found,
          responses: responses.value?.curves_version === version ? responses.value : null,
          refresh,
        }
      : null;
  const missing = problem?.status === 404;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>
        To the content
      </a>
      <header class="top">
        <h1>Marginal</h1>
        {names.length ? (
          <label>
            Dataset
            <select
              value={dataset ?? ""}
              onChange={(event) => {
                change({
                  dataset: event.currentTarget.value,
                  version: null,
                  question: NO_QUESTION,
                  kept: [],
                  base: 0,
                });
              }}
            >
              {dataset && !names.includes(dataset) ? <option value={dataset}>{dataset}</option> : null}
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        ) : null}
        {found ? <Age detail={found} version={version} change={change} pinned={state.version !== null} /> : null}
        <nav aria-label="Views">
          {VIEWS.map(({ view, name }) => (
            <button
              key={view}
              aria-current={state.view === view ? "page" : undefined}
              onClick={() => {
                change({ view });
              }}
            >
              {name}
            </button>
          ))}
          {found?.curves_version ? <Report dataset={found.dataset} version={version} state={state} /> : null}
          {hasKey() ? (
            <button
              onClick={() => {
                forget();
                refresh();
              }}
            >
              Forget the key
            </button>
          ) : null}
        </nav>
      </header>
      <main id="main" tabIndex={-1}>
        {error && !missing ? <Trouble error={error} again={refresh} /> : null}
        {missing && state.view !== "data" ? (
          <Empty
            title={`There is no dataset ${dataset ?? ""}`}
            change={change}
            refresh={refresh}
            others={names.length > 0}
          />
        ) : list.fresh && !dataset && state.view !== "data" ? (
          <Empty title="Nothing is stored yet" change={change} refresh={refresh} others={false} />
        ) : state.view === "data" ? (
          <Data state={state} change={change} detail={missing ? null : found} refresh={refresh} />
        ) : shown ? (
          <>
            <Verdict detail={shown.detail} />
            {!shown.detail.curves_version ? (
              <NoCurves shown={shown} />
            ) : state.view === "plan" ? (
              <Plan {...shown} />
            ) : state.view === "compare" ? (
              <Compare {...shown} />
            ) : (
              <Test {...shown} />
            )}
          </>
        ) : error ? null : (
          <p class="wait" role="status">
            Asking the service …
          </p>
        )}
      </main>
    </>
  );
}

function Age(props: {
  detail: Detail;
  version: string | null;
  pinned: boolean;
  change: Shown["change"];
}): JSX.Element {
  const stamp = /^v(\d{4})(\d\d)(\d\d)T/.exec(props.version ?? "");
  const day = stamp ? `${stamp[1] ?? ""}-${stamp[2] ?? ""}-${stamp[3] ?? ""}` : null;
  const days = day ? Math.floor((Date.now() - Date.parse(day)) / 86_400_000) : null;
  const age = days === null ? "" : days <= 0 ? "today" : days === 1 ? "yesterday" : `${String(days)} days ago`;
  return (
    <span class="muted">
      {day ? `Curves of ${day} (${age})` : props.version ? `Curves ${props.version}` : "No curves yet"}
      {props.detail.last ? `, history to ${props.detail.last}` : ""}
      {props.pinned ? (
        <button
          class="quiet"
          onClick={() => {
            props.change({ version: null });
          }}
        >
          back to the current ones
        </button>
      ) : null}
    </span>
  );
}

function Report(props: { dataset: string; version: string | null; state: State }): JSX.Element {
  const [busy, setBusy] = useState(false);
  return (
    <button
      disabled={busy}
      onClick={() => {
        setBusy(true);
        const asked = new URLSearchParams();
        if (props.version) asked.set("version", props.version);
        if (props.state.question.budget !== null) asked.set("budget", String(props.state.question.budget));
        page(`datasets/${props.dataset}/report?${asked.toString()}`)
          .then(
            (blob) => {
              download(`report-${props.dataset}.html`, blob);
            },
            () => undefined,
          )
          .finally(() => {
            setBusy(false);
          });
      }}
    >
      {busy ? "Writing the report …" : "Report"}
    </button>
  );
}

function Key(props: { wrong: boolean; done: () => void }): JSX.Element {
  const [text, setText] = useState("");
  return (
    <main>
      <form
        class="panel start"
        onSubmit={(event) => {
          event.preventDefault();
          keep(text.trim());
          props.done();
        }}
      >
        <h1>Marginal</h1>
        <p>
          {props.wrong
            ? "The service does not take this key. Try another one."
            : "This service asks for a key. It stays in this tab and goes nowhere else."}
        </p>
        <span class="field">
          <label for="key">Function key</label>
          <input
            id="key"
            type="password"
            autocomplete="off"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
            }}
          />
        </span>
        <button class="main" disabled={!text.trim()}>
          Open
        </button>
      </form>
    </main>
  );
}

/** Stores the sample and fits it; tells how far it is. */
async function loadSample(tell: (text: string) => void): Promise<void> {
  tell("Storing the sample …");
  const spec = await vendored(SAMPLE_SPEC);
  const csv = await vendored(SAMPLE_CSV);
  await put("datasets/brand/spec", await spec.text(), "application/json");
  await put("datasets/brand/history", await csv.text(), "text/csv");
  const { run } = await post<Run>("datasets/brand/refit", null);
  for (;;) {
    const now = await get<Run>(`datasets/brand/runs/${run}`);
    if (now.state !== "queued" && now.state !== "running") return;
    tell(`Fitting the curves: ${now.progress.stage}, ${String(Math.round(100 * now.progress.fraction))} %`);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

function Empty(props: {
  title: string;
  others: boolean;
  change: Shown["change"];
  refresh: () => void;
}): JSX.Element {
  const [told, setTold] = useState<string | null>(null);
  const [error, setError] = useState<Error | null>(null);
  return (
    <section class="panel start">
      <h2>{props.title}</h2>
      <p>
        Marginal learns from a history of spend and outcome what each channel brings, and plans by it. Load the
        sample of a simulated brand to look around, or bring a history of your own.
      </p>
      {error ? <Trouble error={error} /> : null}
      <div class="row">
        <button
          class="main"
          disabled={told !== null}
          onClick={() => {
            setError(null);
            loadSample(setTold).then(
              () => {
                setTold(null);
                props.change({ dataset: "brand", view: "plan", question: NO_QUESTION });
                props.refresh();
              },
              (problem: unknown) => {
                setTold(null);
                setError(problem instanceof Error ? problem : new Error(String(problem)));
              },
            );
          }}
        >
          Load the sample
        </button>
        <button
          onClick={() => {
            props.change({ view: "data" });
          }}
        >
          Upload a history
        </button>
        {props.others ? (
          <button
            onClick={() => {
              props.change({ dataset: null, version: null, question: NO_QUESTION });
            }}
          >
            Show what there is
          </button>
        ) : null}
      </div>
      {told ? <p role="status">{told}</p> : null}
    </section>
  );
}

function NoCurves(props: { shown: Shown }): JSX.Element {
  const run = props.shown.detail.last_run;
  return (
    <section class="panel start">
      <h2>There are no curves to plan with</h2>
      <p>
        {run && (run.state === "queued" || run.state === "running")
          ? `A fit is under way (${run.progress.stage}).`
          : run
            ? "The last fit left none; its reasons are above."
            : "The history has not been fitted yet."}
      </p>
      <button
        class="main"
        onClick={() => {
          props.shown.change({ view: "data" });
        }}
      >
        To the data
      </button>
    </section>
  );
}

const root = document.getElementById("app");
if (root) render(<Page />, root);
