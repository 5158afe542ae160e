import { ChartLineIcon } from "lucide-react";
import type { ReactNode } from "react";

import { Empty } from "./states";
import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "./ui/card";

/** How axes look, and the box with the figures under the pointer. */
export const AXIS = {
  stroke: "var(--muted-foreground)",
  tick: { fill: "var(--muted-foreground)", fontSize: 12 },
  tickLine: false,
  axisLine: false,
  minTickGap: 24,
} as const;

export const TOOLTIP = {
  contentStyle: {
    background: "var(--popover)",
    border: "1px solid var(--border)",
    borderRadius: 8,
    fontSize: 12,
  },
  cursor: { stroke: "var(--muted-foreground)", fill: "var(--muted)", fillOpacity: 0.5 },
  isAnimationActive: false,
} as const;

interface Props {
  title: string;
  unit?: string;
  /** What the chart says, for who does not see it. */
  says: string;
  /** The same, where all should read it. */
  note?: string;
  empty?: boolean;
  height_px?: number;
  children: ReactNode;
}

/** A chart in a card; where there is nothing to draw, it says so. */
export function ChartCard({
  title,
  unit,
  says,
  note,
  empty = false,
  height_px = 240,
  children,
}: Props) {
  return (
    <Card className="min-w-0">
      <CardHeader>
        <CardTitle>{title}</CardTitle>
        {unit && <CardDescription>{unit}</CardDescription>}
      </CardHeader>
      <CardContent>
        {empty ? (
          <Empty icon={ChartLineIcon} title="Nothing in this span of time" />
        ) : (
          <div role="img" aria-label={`${title}. ${says}.`} style={{ height: height_px }}>
            {children}
          </div>
        )}
        {note && (
          <p aria-hidden className="pt-2 text-sm">
            {note}
          </p>
        )}
      </CardContent>
    </Card>
  );
}
