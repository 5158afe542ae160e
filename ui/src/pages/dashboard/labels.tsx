import { Link } from "react-router";

import type { Api } from "@/api/apis";
import type { Stats } from "@/api/client";
import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "@/components/ui/card";
import { formatLabel, formatNumber } from "@/lib/format";
import { resultsLink } from "./links";

/** How often each label was predicted; each leads to its results. */
export function Labels({ stats, api }: { stats: Stats; api: Api }) {
  const sorted = Object.entries(stats.label_distribution).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...sorted.map(([, rows]) => rows));
  return (
    <Card className="min-w-0">
      <CardHeader>
        <CardTitle>Labels</CardTitle>
        <CardDescription>predicted, all time</CardDescription>
      </CardHeader>
      <CardContent>
        <ul className="grid grid-cols-[auto_1fr_auto] items-center gap-x-3 gap-y-1.5 text-sm tabular-nums">
          {sorted.map(([label, rows]) => (
            <li key={label} className="contents">
              <Link to={resultsLink(api, { label })} className="truncate hover:underline">
                {formatLabel(label)}
              </Link>
              <span aria-hidden className="h-2.5 overflow-hidden rounded-xs bg-muted">
                <span
                  className="block h-full bg-on-prem"
                  style={{ width: `${(rows / most) * 100}%` }}
                />
              </span>
              <span className="text-right">{formatNumber(rows)}</span>
            </li>
          ))}
        </ul>
      </CardContent>
    </Card>
  );
}
