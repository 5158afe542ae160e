import {
  CartesianGrid,
  Legend,
  Line,
  LineChart,
  ReferenceLine,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";

import type { Report } from "@/api/client";
import { AXIS, ChartCard, TOOLTIP } from "@/components/chart";
import { formatRate } from "@/lib/format";
import { byLane, colourOf, LANES } from "./lanes";

interface Props {
  costs: Report["costs"];
  even: Report["break_even_per_s"];
}

const usd = (value: number) => `$${value >= 100 ? value.toFixed(0) : value.toPrecision(3)}`;

type Even = NonNullable<Props["even"]>;

// A bound that is missing is one that was not found: there may be none.
const bounds = ({ low, high }: Even) =>
  low == null
    ? ""
    : high == null
      ? ` (${formatRate(low)} or more)`
      : ` (${formatRate(low)} to ${formatRate(high)})`;

const sentence = (even: Even) =>
  even.value === 0
    ? "On-prem is the cheaper lane at any load"
    : `From ${formatRate(even.value)} images/s${bounds(even)} on, all the time, on-prem stays the cheaper lane`;

/** What a million images cost at a steady load, and where one lane becomes the cheaper one. */
export function Costs({ costs, even }: Props) {
  const rows = byLane(
    costs,
    (cost) => cost.images_per_s,
    (cost) => ({ "": cost.usd_per_million.value }),
  );
  const told = even ? sentence(even) : "No break-even was found";
  return (
    <ChartCard
      title="Cost of a million images"
      unit="USD, by images/s"
      says={told}
      note={`${told}.`}
    >
      <ResponsiveContainer>
        <LineChart data={rows} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--border)" vertical={false} />
          <XAxis {...AXIS} dataKey="x" type="number" scale="log" domain={["dataMin", "dataMax"]} />
          <YAxis {...AXIS} width={62} scale="log" domain={["auto", "auto"]} tickFormatter={usd} />
          <Tooltip
            {...TOOLTIP}
            labelFormatter={(rate) => `${Number(rate)} images/s`}
            formatter={(value) => usd(Number(value))}
          />
          <Legend iconType="plainline" wrapperStyle={{ fontSize: 12 }} />
          {even && even.value > 0 && (
            <ReferenceLine
              x={even.value}
              stroke="var(--muted-foreground)"
              strokeDasharray="4 4"
              label={{
                value: "break-even",
                position: "insideTopLeft",
                fill: "var(--muted-foreground)",
                fontSize: 12,
              }}
            />
          )}
          {LANES.map((lane) => (
            <Line
              key={lane}
              dataKey={lane}
              stroke={colourOf(lane)}
              strokeWidth={2}
              dot={{ r: 2 }}
              connectNulls
              isAnimationActive={false}
            />
          ))}
        </LineChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
