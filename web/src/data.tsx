/** Bring a history, settle what it asks, fit it, and see what came of it. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Shown } from "./app";
import { get, post, put, Refused } from "./api";
import { percent } from "./format";
import type { Detail, Fault, Run, Stored, Trust, Version } from "./messages";
import { Settle } from "./settle";
import type { State } from "./state";
import { NO_QUESTION } from "./state";
import { Message, Trouble, useAsked } from "./ui";

const TYPES: Record<string, string> = {
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  txt: "text/plain",
  json: "application/json",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  parquet: "application/vnd.apache.parquet",
};

const STEPS: Record<string, string> = {
  promoted: "taken",
  kept_previous: "not taken",
  failed: "failed",
  queued: "waits",
  running: "runs",
  stored: "stored",
};

interface Props {
  state: State;
  change: Shown["change"];
  detail: Detail | null;
  refresh: () => void;
}

/** The first line's cells, where a file is text. */
async function columnsOf(file: File): Promise<string[]> {
  if (!/\.(csv|tsv|txt)$/i.test(file.name)) return [];
  const line = (await file.slice(0, 20_000).text()).split(/\r?\n/)[0] ?? "";
  const mark = [";", "\t", ","].sort((a, b) => line.split(b).length - line.split(a).length)[0] ?? ",";
  return line.split(mark).map((cell) => cell.trim().replace(/^"|"$/g, ""));
}

function nameFrom(file: File): string {
  const plain = file.name.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9_-]+/g, "-");
  return plain.replace(/^[^a-z0-9]+/, "").slice(0, 63) || "history";
}

export function Data(props: Props): JSX.Element {
  const { change, detail, refresh } = props;
  const [file, setFile] = useState<{ file: File; columns: string[] } | null>(null);
  const [name, setName] = useState("");
  const [stored, setStored] = useState<Stored | null>(null);
  const [faults, setFaults] = useState<Fault[]>([]);
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  const send = async (content: File, columns: string[], dataset: string, settled: Record<string, unknown>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      if (Object.keys(settled).length) {
        let known: Record<string, unknown> = {};
        try {
          known = await get<Record<string, unknown>>(`datasets/${dataset}/spec`);
        } catch (problem) {
          if (!(problem instanceof Refused) || problem.problem.status !== 404) throw problem;
        }
        await put(`datasets/${dataset}/spec`, JSON.stringify({ ...known, ...settled }), "application/json");
      }
      const kind = content.name.split(".").pop()?.toLowerCase() ?? "";
      const answer = await put<Stored>(
        `datasets/${dataset}/history`,
        content,
        TYPES[kind] ?? "application/octet-stream",
      );
      setStored(answer);
      setFaults([]);
      change({ dataset, version: null, ...(dataset === detail?.dataset ? {} : { question: NO_QUESTION, kept: [] }) });
      refresh();
    } catch (problem) {
      setStored(null);
      const told = problem instanceof Refused ? (problem.problem.errors ?? []) : [];
      setFaults(told);
      setError(told.length ? null : problem instanceof Error ? problem : new Error(String(problem)));
    } finally {
      setFile({ file: content, columns });
      setBusy(false);
    }
  };
  const take = async (content: File | undefined): Promise<void> => {
    if (!content) return;
    const columns = await columnsOf(content);
    const dataset = name || nameFrom(content);
    setName(dataset);
    await send(content, columns, dataset, {});
  };

  return (
    <>
      <div class="two">
        <section class="panel" aria-label="Upload a history">
          <h2>Upload a history</h2>
          <span class="field">
            <label for="dataset-name">Dataset to store it in</label>
            <input
              id="dataset-name"
              value={name}
              placeholder="taken from the file&rsquo;s name"
              onInput={(event) => {
                setName(event.currentTarget.value.toLowerCase().replace(/[^a-z0-9_-]+/g, "-"));
              }}
            />
          </span>
          <div
            class={`drop ${over ? "over" : ""}`}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(true);
            }}
            onDragLeave={() => {
              setOver(false);
            }}
            onDrop={(event) => {
              event.preventDefault();
              setOver(false);
              void take(event.dataTransfer?.files[0]);
            }}
          >
            <p>Drop a file here: CSV, Excel, JSON or Parquet; rows by date, spend by channel, an outcome.</p>
            <button
              disabled={busy}
              onClick={() => {
                input.current?.click();
              }}
            >
              {busy ? "Reading …" : "Choose a file"}
            </button>
            <input
              ref={input}
              class="unseen"
              type="file"
              tabIndex={-1}
              aria-label="History file"
              accept=".csv,.tsv,.txt,.json,.xlsx,.parquet"
              onChange={(event) => {
                void take(event.currentTarget.files?.[0]);
                event.currentTarget.value = "";
              }}
            />
          </div>
          {error ? <Trouble error={error} /> : null}
          {file && (faults.length || stored?.findings.some((finding) => finding.settled_by)) ? (
            <Settle
              key={JSON.stringify(faults)}
              faults={faults}
              findings={stored?.findings ?? []}
              columns={file.columns}
              busy={busy}
              onSettled={(settled) => {
                void send(file.file, file.columns, name, settled);
              }}
            />
          ) : null}
          {stored && !faults.length ? <StoredHistory stored={stored} /> : null}
        </section>
        {detail ? <Fits detail={detail} change={change} refresh={refresh} /> : null}
      </div>
      {detail?.trust ? <TrustParts trust={detail.trust} /> : null}
      {detail?.curves_version ? <Shows detail={detail} /> : null}
    </>
  );
}

function StoredHistory(props: { stored: Stored }): JSX.Element {
  const { stored } = props;
  return (
    <>
      <Message kind="good" title={`Stored: ${String(stored.rows)} rows`}>
        <p>
          {stored.first} to {stored.last}, by {stored.frequency}.
          {stored.data_report ? ` For a fit this is ${stored.data_report.verdict}.` : ""}
        </p>
      </Message>
      {stored.findings.length ? (
        <details>
          <summary>{stored.findings.length} things found in it</summary>
          <ul>
            {stored.findings.map((finding) => (
              <li key={finding.message}>{finding.message}</li>
            ))}
          </ul>
        </details>
      ) : null}
    </>
  );
}

const POLL_MS = 500;

function Fits(props: { detail: Detail; change: Shown["change"]; refresh: () => void }): JSX.Element {
  const { detail, refresh } = props;
  const [turn, setTurn] = useState(0);
  const [running, setRunning] = useState<Run | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const key = `${detail.dataset} ${detail.curves_version ?? ""} ${String(turn)}`;
  const runs = useAsked(`runs ${key}`, (signal) =>
    get<{ runs: Run[] }>(`datasets/${detail.dataset}/runs?limit=20`, signal),
  );
  const versions = useAsked(`versions ${key}`, (signal) =>
    get<{ versions: Version[] }>(`datasets/${detail.dataset}/curves/versions?limit=20`, signal),
  );
  const fail = (problem: unknown): void => {
    setRunning(null);
    setError(problem instanceof Error ? problem : new Error(String(problem)));
  };
  useEffect(() => {
    if (!running) return;
    const timer = setTimeout(() => {
      get<Run>(`datasets/${detail.dataset}/runs/${running.run}`).then((now) => {
        const over = now.state !== "queued" && now.state !== "running";
        setRunning(over ? null : now);
        if (!over) return;
        setTurn((before) => before + 1);
        refresh();
      }, fail);
    }, POLL_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [running]);
  return (
    <section class="panel" aria-label="Fits">
      <h2>Fits of {detail.dataset}</h2>
      <div class="row">
        <button
          class="main"
          disabled={running !== null || !detail.has_history}
          onClick={() => {
            setError(null);
            post<Run>(`datasets/${detail.dataset}/refit`, null).then(setRunning, fail);
          }}
        >
          Refit
        </button>
        {running ? (
          <span role="status">
            {running.progress.stage}, {percent(running.progress.fraction)}
          </span>
        ) : null}
      </div>
      {running ? <progress max={1} value={running.progress.fraction} aria-label="Progress of the fit" /> : null}
      {error ? <Trouble error={error} /> : null}
      <div class="table" tabIndex={0} role="region" aria-label="Runs">
        <table>
          <caption>Runs</caption>
          <thead>
            <tr>
              <th scope="col">begun</th>
              <th scope="col">result</th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            {(runs.value?.runs ?? []).map((run) => (
              <tr key={run.run}>
                <th scope="row">{run.created_at.slice(0, 16).replace("T", " ")}</th>
                <td>{STEPS[run.state] ?? run.state}</td>
                <td class="text">{[...run.reasons, ...run.errors.map((fault) => fault.message)].join(" ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="table" tabIndex={0} role="region" aria-label="Versions">
        <table>
          <caption>Versions of the curves</caption>
          <tbody>
            {(versions.value?.versions ?? []).map((version) => (
              <tr key={version.version}>
                <th scope="row">{version.created_at?.slice(0, 16).replace("T", " ") ?? version.version}</th>
                <td>
                  {version.version === detail.curves_version ? (
                    "current"
                  ) : (
                    <span class="row">
                      <button
                        onClick={() => {
                          props.change({ version: version.version, view: "plan" });
                        }}
                      >
                        Look
                      </button>
                      <button
                        onClick={() => {
                          post(`datasets/${detail.dataset}/curves/${version.version}/promote`, null).then(() => {
                            props.change({ version: null });
                            refresh();
                          }, fail);
                        }}
                      >
                        Roll back to this
                      </button>
                    </span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function TrustParts(props: { trust: Trust }): JSX.Element {
  return (
    <section class="panel" aria-label="Trust">
      <h2>Trust, in its parts</h2>
      <p>{props.trust.text}</p>
      <div class="table" tabIndex={0} role="region" aria-label="Parts of trust">
        <table>
          <tbody>
            {props.trust.parts.map((part) => (
              <tr key={part.part}>
                <th scope="row">{part.part}</th>
                <td>{percent(part.score)}</td>
                <td class="text">{part.text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface Diagnosed {
  diagnostics: {
    data_report?: { verdict: string; why: string[]; would_help: string[]; findings?: { message: string }[] };
  };
}

function Shows(props: { detail: Detail }): JSX.Element | null {
  const { detail } = props;
  const found = useAsked(`shows ${detail.dataset} ${detail.curves_version ?? ""}`, (signal) =>
    get<Diagnosed>(`datasets/${detail.dataset}/curves?draws=false&fields=diagnostics`, signal),
  );
  const report = found.value?.diagnostics.data_report;
  if (!report) return null;
  return (
    <section class="panel" aria-label="What the data can show">
      <h2>What the data can show: {report.verdict}</h2>
      <ul>
        {[...report.why, ...report.would_help, ...(report.findings ?? []).map((one) => one.message)].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </section>
  );
}
