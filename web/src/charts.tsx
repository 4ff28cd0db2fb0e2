/** Every picture is one ECharts option with its table behind it; colours come from the page. */

import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import type { EChartsCoreOption } from "echarts/core";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Table } from "./export";
import { download } from "./export";
import { amount, short, signed, spoken } from "./format";
import type { Allocated, Curve, SweepRow } from "./messages";
import { Grid } from "./ui";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  CustomChart,
  GridComponent,
  LegendComponent,
  LineChart,
  MarkAreaComponent,
  MarkLineComponent,
  ScatterChart,
  TooltipComponent,
]);

export interface Look {
  ink: string;
  muted: string;
  grid: string;
  paper: string;
  span: string;
  best: string;
  now: string;
  own: string;
  down: string;
  channels: string[];
}

function look(): Look {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"),
    muted: of("muted"),
    grid: of("grid"),
    paper: of("paper"),
    span: of("span"),
    best: of("accent"),
    now: of("now"),
    own: of("own"),
    down: of("down"),
    channels: [1, 2, 3, 4, 5, 6, 7, 8].map((place) => of(`c${String(place)}`)),
  };
}

/** Looks again when day turns into night, and when the page goes to paper. */
function useLook(): Look {
  const [found, setFound] = useState(look);
  useEffect(() => {
    const again = (): void => {
      setFound(look());
    };
    const queries = ["(prefers-color-scheme: dark)", "print"].map((query) => matchMedia(query));
    for (const query of queries) query.addEventListener("change", again);
    return () => {
      for (const query of queries) query.removeEventListener("change", again);
    };
  }, []);
  return found;
}

export interface Picture {
  name: string;
  title: string;
  alt: string;
  note?: string;
  height: number;
  table: Table;
  draw: (look: Look) => EChartsCoreOption;
}

export function Chart(props: { picture: Picture; stale?: boolean }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ReturnType<typeof init> | null>(null);
  const colours = useLook();
  const { picture } = props;
  useEffect(() => {
    if (!place.current) return;
    const made = init(place.current, null, { renderer: "canvas" });
    chart.current = made;
    const watch = new ResizeObserver(() => {
      made.resize();
    });
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.dispose();
    };
  }, []);
  // What is in sight is drawn with the next frame, the rest when nothing has moved for a while: a
  // slider must not wait for pictures that nobody sees.
  useEffect(() => {
    const draw = (): void => {
      chart.current?.setOption(common(colours, picture.draw(colours)), { notMerge: true });
    };
    const box = place.current?.getBoundingClientRect();
    if (box && box.top < innerHeight && box.bottom > 0) {
      const frame = requestAnimationFrame(draw);
      return () => {
        cancelAnimationFrame(frame);
      };
    }
    const later = setTimeout(draw, 150);
    return () => {
      clearTimeout(later);
    };
  }, [picture, colours]);
  return (
    <figure class={props.stale ? "stale" : ""}>
      <div class="figure-head">
        <h3>{picture.title}</h3>
        <button
          class="quiet"
          aria-label={`PNG of ${picture.title}`}
          onClick={() => {
            const address = chart.current?.getDataURL({
              type: "png",
              pixelRatio: 2,
              backgroundColor: colours.paper,
            });
            if (!address) return;
            const bytes = Uint8Array.from(atob(address.split(",")[1] ?? ""), (c) => c.charCodeAt(0));
            download(`${picture.name}.png`, new Blob([bytes], { type: "image/png" }));
          }}
        >
          PNG
        </button>
      </div>
      <div class={`canvas h${String(picture.height)}`} ref={place} role="img" aria-label={picture.alt} />
      {picture.note ? <figcaption>{picture.note}</figcaption> : null}
      <details>
        <summary>As a table</summary>
        <Grid caption={picture.title} table={picture.table} />
      </details>
    </figure>
  );
}

function common(colours: Look, option: EChartsCoreOption): EChartsCoreOption {
  return {
    animation: false,
    textStyle: { fontFamily: "system-ui, sans-serif", color: colours.ink },
    ...option,
  };
}

const axisText = (colours: Look): object => ({
  axisLabel: { color: colours.muted, fontSize: 11, hideOverlap: true },
  axisLine: { lineStyle: { color: colours.muted } },
  axisTick: { show: false },
  nameTextStyle: { color: colours.muted, fontSize: 11 },
  splitLine: { lineStyle: { color: colours.grid } },
});

const money = (colours: Look, name: string): object => ({
  type: "value",
  name,
  nameLocation: "middle",
  nameGap: 26,
  ...axisText(colours),
  axisLabel: { color: colours.muted, fontSize: 11, hideOverlap: true, formatter: short },
});

const legend = (colours: Look): object => ({
  top: 0,
  left: 0,
  itemWidth: 14,
  itemHeight: 9,
  icon: "rect",
  textStyle: { color: colours.ink, fontSize: 11 },
});

const tooltip = (colours: Look, more: object = {}): object => ({
  renderMode: "richText",
  confine: true,
  backgroundColor: colours.paper,
  borderColor: colours.muted,
  textStyle: { color: colours.ink, fontSize: 12 },
  valueFormatter: (value: unknown) => (typeof value === "number" ? amount(value) : ""),
  ...more,
});

/** Draws low to high of each row as a line with ends, beside the bars. */
type Api = {
  value: (dimension: number) => number;
  coord: (point: [number, number]) => [number, number];
  size: (size: [number, number]) => [number, number];
};

export function barsPicture(
  rows: readonly Allocated[],
  own: readonly Allocated[] | null,
  unit: string,
): Picture {
  const ordered = [...rows].sort(
    (a, b) => Math.max(a.spend, a.current_spend ?? 0) - Math.max(b.spend, b.current_spend ?? 0),
  );
  const owned = new Map(own?.map((row) => [row.channel, row.spend]));
  const spans = ordered.map((row) => row.spend_interval);
  return {
    name: "spend",
    title: "Spend now and in the plan",
    alt: `Spend by channel. ${rows
      .map((row) => `${spoken(row.channel)} from ${amount(row.current_spend)} to ${amount(row.spend)}`)
      .join(", ")}.`,
    note: spans.some((span) => span)
      ? "The line over a bar is the range of the best spend over what the data leave open (90 %)."
      : "",
    height: rows.length > 10 ? 4 : 3,
    table: {
      head: ["channel", "now", "best", ...(own ? ["own"] : []), "best, low", "best, high"],
      rows: [...ordered].reverse().map((row) => [
        spoken(row.channel),
        row.current_spend,
        row.spend,
        ...(own ? [owned.get(row.channel) ?? null] : []),
        row.spend_interval?.[0] ?? null,
        row.spend_interval?.[1] ?? null,
      ]),
    },
    draw: (look) => ({
      grid: { left: 4, right: 16, top: 26, bottom: 34, containLabel: true },
      legend: { ...legend(look), data: [...(own ? ["own"] : []), "best", "now"] },
      tooltip: tooltip(look, { trigger: "axis", axisPointer: { type: "shadow" } }),
      xAxis: money(look, unit),
      yAxis: {
        type: "category",
        data: ordered.map((row) => spoken(row.channel)),
        ...axisText(look),
        axisLabel: { color: look.ink, fontSize: 12 },
      },
      series: [
        ...(own
          ? [bar("own", ordered.map((row) => owned.get(row.channel) ?? null), look.own, "diagonal", look)]
          : []),
        bar("best", ordered.map((row) => row.spend), look.best, "", look),
        bar("now", ordered.map((row) => row.current_spend), look.now, "dots", look),
        {
          type: "custom",
          name: "range of best",
          encode: { x: [1, 2], y: 0 },
          tooltip: { show: false },
          silent: true,
          z: 5,
          data: spans.flatMap((span, place) => (span ? [[place, span[0], span[1]]] : [])),
          renderItem: (_: unknown, api: Api) => {
            const place = api.value(0);
            const low = api.coord([api.value(1), place]);
            const high = api.coord([api.value(2), place]);
            const line = (x1: number, y1: number, x2: number, y2: number): object => ({
              type: "line",
              shape: { x1, y1, x2, y2 },
              style: { stroke: look.ink, lineWidth: 1.5 },
            });
            const y = low[1] - api.size([0, 1])[1] * (own ? 0 : 0.18);
            return {
              type: "group",
              children: [
                line(low[0], y, high[0], y),
                line(low[0], y - 4, low[0], y + 4),
                line(high[0], y - 4, high[0], y + 4),
              ],
            };
          },
        },
      ],
    }),
  };
}

function bar(
  name: string,
  data: readonly (number | null)[],
  colour: string,
  pattern: "" | "dots" | "diagonal",
  look: Look,
): object {
  const decal =
    pattern === ""
      ? { symbol: "none" }
      : pattern === "dots"
        ? { symbol: "circle", symbolSize: 0.5, dashArrayX: [[4, 4]], dashArrayY: [4, 4], color: look.paper }
        : { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -0.8, color: look.paper };
  return { type: "bar", name, data, itemStyle: { color: colour, decal }, barGap: "12%", barCategoryGap: "32%" };
}

export function curvePicture(
  curve: Curve,
  stands: readonly Mark[],
  outcome: string,
  unit: string,
): Picture {
  const at = stands.filter((stand) => stand.spend !== null);
  const from = curve.observed_max;
  const last = curve.points.at(-1)?.spend ?? 0;
  const banded = curve.points.some((point) => point.low !== null);
  return {
    name: `curve-${curve.channel}`,
    title: spoken(curve.channel),
    alt: `Response curve of ${spoken(curve.channel)}: ${outcome} against spend, ${at
      .map((stand) => `${stand.name} at ${amount(stand.spend)}`)
      .join(", ")}.`,
    height: 2,
    table: {
      head: ["spend", outcome, "low", "high"],
      rows: curve.points.map((point) => [point.spend, point.outcome, point.low, point.high]),
    },
    draw: (look) => ({
      grid: { left: 4, right: 12, top: 10, bottom: 32, containLabel: true },
      tooltip: tooltip(look, {
        trigger: "axis",
        formatter: (told: { seriesName: string; value: number[] }[]) =>
          told
            .filter((one) => one.seriesName === "expected")
            .map((one) => `${amount(one.value[0])} brings ${amount(one.value[1])}`)
            .join(""),
      }),
      xAxis: { ...money(look, unit), max: last },
      yAxis: { ...money(look, ""), splitNumber: 3 },
      series: [
        ...(banded
          ? [
              {
                type: "custom",
                name: "90 % band",
                silent: true,
                data: [0],
                renderItem: (_: unknown, api: Api) => ({
                  type: "polygon",
                  shape: {
                    points: [
                      ...curve.points.map((p) => api.coord([p.spend, p.high ?? p.outcome])),
                      ...[...curve.points].reverse().map((p) => api.coord([p.spend, p.low ?? p.outcome])),
                    ],
                  },
                  style: { fill: look.best, opacity: 0.18 },
                }),
                clip: true,
              },
              // Without these the axis would not know how high the band goes.
              {
                type: "line",
                name: "high",
                silent: true,
                symbol: "none",
                lineStyle: { opacity: 0 },
                data: curve.points.map((p) => [p.spend, p.high ?? p.outcome]),
              },
            ]
          : []),
        {
          type: "scatter",
          name: "observed",
          silent: true,
          symbolSize: 3,
          itemStyle: { color: look.muted, opacity: 0.55 },
          data: (curve.observed ?? []).filter(([spend]) => spend <= last),
        },
        {
          type: "line",
          name: "expected",
          symbol: "none",
          lineStyle: { color: look.best, width: 2 },
          itemStyle: { color: look.best },
          data: curve.points.map((p) => [p.spend, p.outcome]),
          ...(from !== null && from < last
            ? {
                markArea: {
                  silent: true,
                  itemStyle: { color: look.span, opacity: 0.7 },
                  data: [[{ xAxis: from }, { xAxis: last }]],
                },
              }
            : {}),
          markLine: {
            silent: true,
            symbol: "none",
            label: { formatter: "{b}", position: "insideEndTop", fontSize: 10, color: look.ink },
            data: apart(at, last).map((stand) => ({
              name: stand.label,
              xAxis: stand.spend,
              lineStyle: {
                color: look[stand.name],
                type: stand.name === "now" ? "dotted" : stand.name === "own" ? "dashed" : "solid",
                width: 2,
              },
            })),
          },
        },
      ],
    }),
  };
}

interface Mark {
  name: "now" | "best" | "own";
  spend: number | null;
}

/** Marks whose labels would lie on each other become one, which tells both names. */
function apart(marks: readonly Mark[], width: number): (Mark & { label: string })[] {
  const found: (Mark & { label: string })[] = [];
  for (const mark of marks) {
    if (mark.spend === null) continue;
    const spend = mark.spend;
    const near = found.find((one) => Math.abs((one.spend ?? 0) - spend) < 0.012 * width);
    if (near) near.label += `, ${mark.name}`;
    else found.push({ ...mark, label: mark.name });
  }
  return found;
}

export function waterfallPicture(rows: readonly Allocated[], outcome: string, unit: string): Picture {
  const moves = rows
    .filter((row) => row.current_outcome !== null)
    .map((row) => ({ name: spoken(row.channel), by: row.outcome - (row.current_outcome ?? 0) }))
    .sort((a, b) => b.by - a.by);
  const now = rows.reduce((sum, row) => sum + (row.current_outcome ?? 0), 0);
  const plan = rows.reduce((sum, row) => sum + row.outcome, 0);
  const steps: { name: string; from: number; to: number; kind: "now" | "best" | "up" | "down" }[] = [];
  let level = now;
  steps.push({ name: "now", from: 0, to: now, kind: "now" });
  for (const move of moves) {
    steps.push({ name: move.name, from: level, to: level + move.by, kind: move.by < 0 ? "down" : "up" });
    level += move.by;
  }
  steps.push({ name: "plan", from: 0, to: plan, kind: "best" });
  const levels = steps.slice(1, -1).flatMap((step) => [step.from, step.to]);
  const least = Math.min(now, plan, ...levels);
  const most = Math.max(now, plan, ...levels);
  const floor = Math.max(0, least - 0.6 * (most - least));
  return {
    name: "waterfall",
    title: "From now to the plan",
    alt: `Outcome from ${amount(now)} now to ${amount(plan)}: ${moves
      .map((move) => `${move.name} ${signed(move.by)}`)
      .join(", ")}.`,
    note: floor > 0 ? `The axis begins at ${short(floor)}, so that the steps can be seen.` : "",
    height: 3,
    table: {
      head: ["step", outcome],
      rows: [["now", now], ...moves.map((move): [string, number] => [move.name, move.by]), ["plan", plan]],
    },
    draw: (look) => ({
      grid: { left: 4, right: 12, top: 18, bottom: 8, containLabel: true },
      tooltip: tooltip(look, {
        trigger: "item",
        formatter: (told: { dataIndex: number }) => {
          const step = steps[told.dataIndex];
          if (!step) return "";
          return step.from === 0 ? `${step.name}: ${amount(step.to)}` : `${step.name}: ${signed(step.to - step.from)}`;
        },
      }),
      xAxis: {
        type: "category",
        data: steps.map((step) => step.name),
        ...axisText(look),
        axisLabel: { color: look.ink, fontSize: 11, rotate: 40, interval: 0 },
      },
      yAxis: { ...money(look, unit), name: "", min: floor },
      series: [
        {
          type: "custom",
          data: steps.map((step, place) => [place, Math.max(step.from, floor), step.to]),
          encode: { x: 0, y: [1, 2] },
          renderItem: (told: { dataIndex: number }, api: Api) => {
            const step = steps[told.dataIndex];
            const a = api.coord([api.value(0), api.value(1)]);
            const b = api.coord([api.value(0), api.value(2)]);
            const width = api.size([1, 0])[0] * 0.62;
            const top = Math.min(a[1], b[1]);
            const fill = { now: look.now, best: look.best, up: look.best, down: look.down }[step?.kind ?? "now"];
            const text = step === undefined ? "" : step.from === 0 ? short(step.to) : (step.to > step.from ? "+" : "") + short(step.to - step.from);
            return {
              type: "group",
              children: [
                {
                  type: "rect",
                  shape: { x: a[0] - width / 2, y: top, width, height: Math.max(1, Math.abs(a[1] - b[1])) },
                  style: { fill },
                },
                {
                  type: "text",
                  x: a[0],
                  y: top - 3,
                  style: { text, fill: look.ink, fontSize: 10, textAlign: "center", textVerticalAlign: "bottom" },
                },
              ],
            };
          },
        },
      ],
    }),
  };
}

export function sweepPicture(
  rows: readonly SweepRow[],
  marks: readonly Mark[],
  outcome: string,
  unit: string,
): Picture {
  const known = rows.filter((row) => row.outcome !== undefined);
  return {
    name: "sweep",
    title: "What other budgets would bring",
    alt: `Best ${outcome} by budget, from ${amount(known[0]?.outcome)} at ${amount(known[0]?.budget)} to ${amount(known.at(-1)?.outcome)} at ${amount(known.at(-1)?.budget)}.`,
    note: "Dotted: what the next unit of money brings (right axis).",
    height: 3,
    table: {
      head: ["budget", outcome, "low", "high", "next unit brings"],
      rows: known.map((row) => [
        row.budget,
        row.outcome ?? null,
        row.outcome_interval?.[0] ?? null,
        row.outcome_interval?.[1] ?? null,
        row.marginal_return ?? null,
      ]),
    },
    draw: (look) => ({
      grid: { left: 4, right: 8, top: 26, bottom: 32, containLabel: true },
      legend: { ...legend(look), data: [outcome, "next unit brings"], icon: "roundRect" },
      tooltip: tooltip(look, { trigger: "axis" }),
      xAxis: { ...money(look, unit), min: known[0]?.budget ?? 0, max: known.at(-1)?.budget ?? 1 },
      yAxis: [{ ...money(look, ""), min: 0 }, { ...money(look, ""), splitLine: { show: false }, min: 0 }],
      series: [
        {
          type: "custom",
          name: "90 % band",
          silent: true,
          tooltip: { show: false },
          data: [0],
          clip: true,
          renderItem: (_: unknown, api: Api) => ({
            type: "polygon",
            shape: {
              points: [
                ...known.map((row) => api.coord([row.budget, row.outcome_interval?.[1] ?? row.outcome ?? 0])),
                ...[...known].reverse().map((row) => api.coord([row.budget, row.outcome_interval?.[0] ?? row.outcome ?? 0])),
              ],
            },
            style: { fill: look.best, opacity: 0.16 },
          }),
        },
        {
          type: "line",
          name: "high",
          silent: true,
          symbol: "none",
          tooltip: { show: false },
          lineStyle: { opacity: 0 },
          data: known.map((row) => [row.budget, row.outcome_interval?.[1] ?? row.outcome]),
        },
        {
          type: "line",
          name: outcome,
          symbol: "none",
          lineStyle: { color: look.best, width: 2 },
          itemStyle: { color: look.best },
          data: known.map((row) => [row.budget, row.outcome]),
          markLine: {
            silent: true,
            symbol: "none",
            label: { formatter: "{b}", position: "insideEndTop", fontSize: 10, color: look.ink },
            data: apart(marks, known.at(-1)?.budget ?? 0)
              .map((mark) => ({
                name: mark.label,
                xAxis: mark.spend,
                lineStyle: { color: look[mark.name], type: mark.name === "now" ? "dotted" : "solid", width: 2 },
              })),
          },
        },
        {
          type: "line",
          name: "next unit brings",
          yAxisIndex: 1,
          symbol: "none",
          lineStyle: { color: look.down, width: 2, type: "dotted" },
          itemStyle: { color: look.down },
          data: known.map((row) => [row.budget, row.marginal_return ?? null]),
        },
      ],
    }),
  };
}

export function periodsPicture(rows: readonly Allocated[], shares: boolean, unit: string): Picture {
  const dates = rows[0]?.periods?.map((period) => period.start ?? String(period.period)) ?? [];
  const totals = dates.map((_, t) => rows.reduce((sum, row) => sum + (row.periods?.[t]?.spend ?? 0), 0));
  return {
    name: "periods",
    title: "The plan by period",
    alt: `Spend by channel over ${String(dates.length)} periods from ${dates[0] ?? ""} to ${dates.at(-1) ?? ""}.`,
    height: 3,
    table: {
      head: ["period", ...rows.map((row) => spoken(row.channel))],
      rows: dates.map((date, t) => [date, ...rows.map((row) => row.periods?.[t]?.spend ?? null)]),
    },
    draw: (look) => ({
      aria: { enabled: true, label: { enabled: false }, decal: { show: true } },
      grid: { left: 4, right: 12, top: 46, bottom: 8, containLabel: true },
      legend: { ...legend(look), type: "plain" },
      tooltip: tooltip(look, {
        trigger: "axis",
        valueFormatter: (value: unknown) =>
          typeof value !== "number" ? "" : shares ? `${value.toFixed(1)} %` : amount(value),
      }),
      xAxis: { type: "category", boundaryGap: false, data: dates, ...axisText(look) },
      yAxis: shares ? { ...money(look, ""), max: 100 } : { ...money(look, unit), name: "" },
      series: rows.map((row, place) => ({
        type: "line",
        name: spoken(row.channel),
        stack: "all",
        symbol: "none",
        lineStyle: { color: look.paper, width: 1 },
        itemStyle: { color: look.channels[place % look.channels.length] },
        areaStyle: { color: look.channels[place % look.channels.length] },
        data: dates.map((_, t) => {
          const spend = row.periods?.[t]?.spend ?? 0;
          const total = totals[t] ?? 0;
          return shares ? (total > 0 ? (100 * spend) / total : 0) : spend;
        }),
      })),
    }),
  };
}
