import {
  CartesianGrid,
  Legend,
  Line,
  LineChart,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";

import type { Report } from "@/api/client";
import { AXIS, ChartCard, TOOLTIP } from "@/components/chart";
import { formatMs } from "@/lib/format";
import { byLane, colourOf, LANES } from "./lanes";

/** Latency against load: the median and the slowest hundredth of each lane. */
export function Load({ points }: { points: Report["load"] }) {
  const rows = byLane(
    points,
    (point) => point.offered_per_s,
    (point) => ({
      p50: point.p50_ms,
      p99: point.p99_ms,
    }),
  );
  const most = Math.max(...points.map((point) => point.offered_per_s));
  return (
    <ChartCard
      title="Latency against load"
      unit="images/s offered"
      says={`Up to ${most} images per second`}
    >
      <ResponsiveContainer>
        <LineChart data={rows} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--border)" vertical={false} />
          <XAxis {...AXIS} dataKey="x" type="number" scale="log" domain={["dataMin", "dataMax"]} />
          <YAxis
            {...AXIS}
            width={62}
            scale="log"
            domain={["auto", "auto"]}
            tickFormatter={formatMs}
          />
          <Tooltip
            {...TOOLTIP}
            labelFormatter={(rate) => `${Number(rate)} images/s`}
            formatter={(ms) => formatMs(Number(ms))}
          />
          <Legend iconType="plainline" wrapperStyle={{ fontSize: 12 }} />
          {LANES.flatMap((lane) => [
            <Line key={`${lane} p50`} dataKey={`${lane} p50`} stroke={colourOf(lane)} {...LINE} />,
            <Line
              key={`${lane} p99`}
              dataKey={`${lane} p99`}
              stroke={colourOf(lane)}
              {...LINE}
              strokeDasharray="5 4"
            />,
          ])}
        </LineChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}

const LINE = {
  strokeWidth: 2,
  dot: { r: 2 },
  connectNulls: true,
  isAnimationActive: false,
} as const;
