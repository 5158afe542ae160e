import {
  Area,
  AreaChart,
  CartesianGrid,
  Legend,
  Line,
  LineChart,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import type { ReactNode } from "react";

import type { Series } from "@/api/client";
import { AXIS, ChartCard, TOOLTIP } from "@/components/chart";
import { formatMs, formatRate } from "@/lib/format";
import { latencyRows, type Span, throughputRows } from "./series-rows";

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const day_ms = 86_400_000;

interface Props {
  data: { series: Series; span: Span } | undefined;
}

/** Images finished in each second, over time. */
export function Throughput({ data }: Props) {
  const rows = data ? throughputRows(data.series, data.span) : [];
  const peak = Math.max(0, ...rows.map((row) => row.done_per_s));
  return (
    <ChartCard
      title="Throughput"
      unit="images/s"
      empty={peak === 0}
      says={`Peak ${formatRate(peak)} images per second`}
    >
      <ResponsiveContainer>
        <AreaChart data={rows} accessibilityLayer={false}>
          {common(rows, (value) => `${formatRate(value)}/s`)}
          <Area
            type="step"
            dataKey="done_per_s"
            name="done"
            stroke="var(--infer)"
            fill="var(--infer)"
            fillOpacity={0.25}
            isAnimationActive={false}
          />
          <Area
            type="step"
            dataKey="failed_per_s"
            name="failed"
            stroke="var(--destructive)"
            fill="var(--destructive)"
            fillOpacity={0.25}
            isAnimationActive={false}
          />
        </AreaChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}

/** Percentiles of the time from accepted to committed, over time. */
export function Latency({ data }: Props) {
  const rows = data ? latencyRows(data.series, data.span) : [];
  const known = rows.flatMap((row) => row.p99_ms ?? []);
  const worst = Math.max(0, ...known);
  return (
    <ChartCard
      title="Latency"
      unit="accepted to committed"
      empty={known.length === 0}
      says={`The highest p99 is ${formatMs(worst)}`}
    >
      <ResponsiveContainer>
        <LineChart data={rows} accessibilityLayer={false}>
          {common(rows, formatMs, true)}
          <Line dataKey="p50_ms" name="p50" stroke="var(--fetch)" {...LINE} />
          <Line dataKey="p90_ms" name="p90" stroke="var(--decode)" {...LINE} />
          <Line dataKey="p99_ms" name="p99" stroke="var(--record)" {...LINE} />
        </LineChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}

const LINE = {
  type: "monotone",
  strokeWidth: 2,
  dot: { r: 1.5 },
  isAnimationActive: false,
} as const;

function common(
  rows: { at_ms: number }[],
  told: (value: number) => string,
  log = false,
): ReactNode {
  const span_ms = (rows.at(-1)?.at_ms ?? 0) - (rows[0]?.at_ms ?? 0);
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  return (
    <>
      <CartesianGrid stroke="var(--border)" vertical={false} />
      <XAxis
        {...AXIS}
        dataKey="at_ms"
        type="number"
        scale="time"
        domain={["dataMin", "dataMax"]}
        tickFormatter={(at: number) => (span_ms > 2 * day_ms ? day : time).format(at)}
      />
      <YAxis
        {...AXIS}
        width={62}
        tickFormatter={told}
        {...(log ? { scale: "log" as const, domain: ["auto", "auto"] } : {})}
      />
      <Tooltip
        {...TOOLTIP}
        labelFormatter={(at) => dated.format(Number(at))}
        formatter={(value) => told(Number(value))}
      />
      <Legend iconType="plainline" wrapperStyle={{ fontSize: 12 }} />
    </>
  );
}
