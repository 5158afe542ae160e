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
import { formatNumber } from "@/lib/format";
import { byLane, colourOf, LANES } from "./lanes";

/** A burst comes, and how long until nothing of it is left. */
export function Bursts({ bursts }: { bursts: Report["bursts"] }) {
  const points = bursts.flatMap(({ lane, points }) => points.map((point) => ({ lane, ...point })));
  const rows = byLane(
    points,
    (point) => point.at_s,
    (point) => ({ "": point.sent - point.done }),
  );
  const lines = bursts.map(({ lane, images, recovered_s }) =>
    recovered_s == null
      ? `${lane} did not recover`
      : `${lane} took ${recovered_s.toFixed(1)} s for ${formatNumber(images)} images`,
  );
  const told = lines.join("; ");
  return (
    <ChartCard title="A burst" unit="images not done yet, by seconds" says={told} note={`${told}.`}>
      <ResponsiveContainer>
        <LineChart data={rows} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--border)" vertical={false} />
          <XAxis {...AXIS} dataKey="x" type="number" domain={[0, "dataMax"]} unit=" s" />
          <YAxis {...AXIS} width={62} tickFormatter={formatNumber} />
          <Tooltip {...TOOLTIP} labelFormatter={(at) => `after ${Number(at)} s`} />
          <Legend iconType="plainline" wrapperStyle={{ fontSize: 12 }} />
          {LANES.map((lane) => (
            <Line
              key={lane}
              dataKey={lane}
              stroke={colourOf(lane)}
              strokeWidth={2}
              dot={false}
              connectNulls
              isAnimationActive={false}
            />
          ))}
        </LineChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
