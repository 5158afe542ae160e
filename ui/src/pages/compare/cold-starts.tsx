import type { Report } from "@/api/client";
import { Card, CardContent, CardDescription, CardHeader, CardTitle } from "@/components/ui/card";
import { formatMs } from "@/lib/format";
import { colourOf } from "./lanes";
import { boundsOf } from "./parts";

/** From nothing to the first prediction, as bars: until it is up, and the first image. */
export function ColdStarts({ starts }: { starts: Report["cold_starts"] }) {
  const longest_ms = Math.max(...starts.map((start) => start.init_ms.value + start.first_ms.value));
  const width = (ms: number) => ({ width: `${(ms / longest_ms) * 100}%` });
  return (
    <Card className="min-w-0">
      <CardHeader>
        <CardTitle>Cold starts</CardTitle>
        <CardDescription>until it is up, and then its first image (paler)</CardDescription>
      </CardHeader>
      <CardContent
        className="relative overflow-x-auto"
        tabIndex={0}
        role="region"
        aria-label="Cold starts"
      >
        <table className="w-full text-sm tabular-nums">
          <caption className="sr-only">
            How long a start takes, until it is up, for the first image and for each after that
          </caption>
          <thead className="text-xs text-muted-foreground [&_th]:pb-1 [&_th]:font-medium">
            <tr>
              <th scope="col" className="text-left">
                Started
              </th>
              <td className="w-2/5" />
              <th scope="col" className="text-right">
                up
              </th>
              <th scope="col" className="pl-3 text-right">
                first
              </th>
              <th scope="col" className="pl-3 text-right">
                warm
              </th>
            </tr>
          </thead>
          <tbody>
            {starts.map((start) => (
              <tr key={`${start.lane} ${start.backend} ${start.memory_mb ?? ""}`}>
                <th scope="row" className="py-1.5 pr-3 text-left font-normal">
                  {start.lane}
                  {start.memory_mb != null && `, ${start.memory_mb} MB`}
                  <span className="block text-xs text-muted-foreground">
                    {start.backend}, {start.starts} {start.starts === 1 ? "start" : "starts"}
                  </span>
                </th>
                <td>
                  <div className="flex h-3 min-w-12" style={{ color: colourOf(start.lane) }}>
                    <div className="rounded-l-xs bg-current" style={width(start.init_ms.value)} />
                    <div
                      className="rounded-r-xs bg-current opacity-45"
                      style={width(start.first_ms.value)}
                    />
                  </div>
                </td>
                <Figure of={start.init_ms} />
                <Figure of={start.first_ms} />
                <Figure of={start.warm_ms} />
              </tr>
            ))}
          </tbody>
        </table>
      </CardContent>
    </Card>
  );
}

function Figure({ of }: { of: Report["cold_starts"][number]["warm_ms"] }) {
  return (
    <td className="pl-3 text-right whitespace-nowrap" title={of ? boundsOf(of) : undefined}>
      {of ? formatMs(of.value) : "–"}
    </td>
  );
}
