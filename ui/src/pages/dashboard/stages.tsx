import type { Stats } from "@/api/client";
import { STAGES } from "@/components/stage-bar";
import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "@/components/ui/card";
import { formatMs } from "@/lib/format";
import { cn } from "@/lib/utils";

const PERCENTILES = ["p50", "p90", "p99"] as const;

/** Where the time goes: the median of each stage as a bar, and its percentiles. */
export function Stages({ stats }: { stats: Stats }) {
  const of = stats.latency_percentiles;
  const longest = Math.max(1e-9, ...STAGES.map((stage) => of[stage.field]?.["p50"] ?? 0));
  const rows = [
    ...STAGES,
    { name: "in all", field: "latency_ms", colour: "", what: "accepted to committed" } as const,
  ];
  return (
    <Card className="min-w-0">
      <CardHeader>
        <CardTitle>Where the time goes</CardTitle>
        <CardDescription>the latest 1,000</CardDescription>
      </CardHeader>
      <CardContent>
        <table className="w-full text-sm tabular-nums">
          <thead className="text-xs text-muted-foreground">
            <tr>
              <th scope="col" className="pb-1 text-left font-medium">
                Stage
              </th>
              <td className="w-1/3" />
              {PERCENTILES.map((name) => (
                <th key={name} scope="col" className="pb-1 pl-3 text-right font-medium">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, field, colour, what }) => (
              <tr key={name} className={colour ? undefined : "border-t font-medium"} title={what}>
                <th scope="row" className="py-1.5 text-left font-normal whitespace-nowrap">
                  {name}
                </th>
                <td className="px-3">
                  <div
                    className={cn("h-2.5 rounded-xs", colour)}
                    style={{ width: `${Math.min(1, (of[field]?.["p50"] ?? 0) / longest) * 100}%` }}
                  />
                </td>
                {PERCENTILES.map((percentile) => {
                  const ms = of[field]?.[percentile];
                  return (
                    <td key={percentile} className="pl-3 text-right whitespace-nowrap">
                      {ms == null ? "–" : formatMs(ms)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </CardContent>
    </Card>
  );
}
