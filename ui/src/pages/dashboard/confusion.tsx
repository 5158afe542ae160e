import { Link } from "react-router";

import type { Api } from "@/api/apis";
import type { Stats } from "@/api/client";
import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "@/components/ui/card";
import { formatLabel, formatNumber } from "@/lib/format";
import { cn } from "@/lib/utils";
import { resultsLink } from "./links";

/** What was taken for what, where the truth is known. Each count leads to its images. */
export function Confusion({ stats, api }: { stats: Stats; api: Api }) {
  const matrix = stats.confusion_matrix;
  const labels = [
    ...new Set([
      ...Object.keys(matrix),
      ...Object.values(matrix).flatMap((row) => Object.keys(row)),
    ]),
  ].sort();
  if (labels.length === 0) return null;
  return (
    <Card className="min-w-0">
      <CardHeader>
        <CardTitle>Confusion matrix</CardTitle>
        <CardDescription>a row is a true label, a column what was predicted</CardDescription>
      </CardHeader>
      <CardContent
        className="overflow-x-auto"
        tabIndex={0}
        role="region"
        aria-label="Confusion matrix"
      >
        <table className="text-sm tabular-nums">
          <thead>
            <tr>
              <td />
              {labels.map((label) => (
                <th key={label} scope="col" className="h-28 w-11 align-bottom font-normal">
                  <span className="inline-block rotate-180 whitespace-nowrap [writing-mode:vertical-rl]">
                    {formatLabel(label)}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {labels.map((truth) => {
              const row = matrix[truth] ?? {};
              const total = Object.values(row).reduce((sum, n) => sum + n, 0);
              return (
                <tr key={truth}>
                  <th scope="row" className="pr-3 text-right font-normal whitespace-nowrap">
                    {formatLabel(truth)}
                  </th>
                  {labels.map((predicted) => (
                    <Cell
                      key={predicted}
                      n={row[predicted] ?? 0}
                      share={total > 0 ? (row[predicted] ?? 0) / total : 0}
                      right={truth === predicted}
                      to={resultsLink(api, { true_label: truth, label: predicted })}
                      what={`${formatLabel(truth)} taken for ${formatLabel(predicted)}`}
                    />
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </CardContent>
    </Card>
  );
}

interface CellProps {
  n: number;
  share: number;
  right: boolean;
  to: { pathname: string; search: string };
  what: string;
}

function Cell({ n, share, right, to, what }: CellProps) {
  // A few mistakes among thousands are what one looks for: they are tinted from the first on.
  const tint = n === 0 ? 0 : 12 + 24 * share;
  const colour = right ? "var(--infer)" : "var(--destructive)";
  return (
    <td
      className={cn("size-11 border text-center", n === 0 && "text-muted-foreground")}
      style={{ background: `color-mix(in oklab, ${colour} ${tint}%, transparent)` }}
    >
      {n > 0 ? (
        <Link
          to={to}
          title={what}
          aria-label={`${n}: ${what}`}
          className="block py-2 hover:underline"
        >
          {formatNumber(n)}
        </Link>
      ) : (
        "·"
      )}
    </td>
  );
}
