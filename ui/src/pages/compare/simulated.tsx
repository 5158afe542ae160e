import type { Report } from "@/api/client";
import { Badge } from "@/components/ui/badge";
import { formatMs, formatNumber } from "@/lib/format";
import { formatLoad } from "./lanes";
import { Figure, TableCard } from "./table-card";

const HEADS = ["p50", "p99", "all done after", "at work at once"];

/** Lanes larger than this machine. It looks unlike the rest, because nobody has measured it. */
export function Simulated({ rows }: { rows: Report["simulated"] }) {
  return (
    <TableCard
      title="Simulated scale"
      badge={<Badge variant="warning">simulated, not measured</Badge>}
      about="what this machine is too small for"
      caption="Simulated, not measured: latency, recovery and size of lanes beyond this machine"
      className="border-dashed border-warning/60"
    >
      <thead>
        <tr>
          <th scope="col">Lane</th>
          <th scope="col" className="pl-4">
            Load
          </th>
          {HEADS.map((head) => (
            <th key={head} scope="col" className="pl-4 text-right whitespace-nowrap">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr
            key={`${row.lane} ${row.setting} ${row.offered_per_s} ${row.seconds}`}
            className="border-t"
          >
            <th scope="row" className="min-w-40 py-1 align-top font-normal">
              {row.lane}
              <span className="block text-xs text-muted-foreground">{row.setting}</span>
            </th>
            <td className="py-1 pl-4 align-top whitespace-nowrap">
              {formatLoad(row.offered_per_s)}
              <span className="block text-xs text-muted-foreground">
                for {formatMs(row.seconds * 1000)}
              </span>
            </td>
            <Figure>{told(row.p50_ms)}</Figure>
            <Figure>{told(row.p99_ms)}</Figure>
            <Figure>{row.recovered_s == null ? "–" : formatMs(row.recovered_s * 1000)}</Figure>
            <Figure>{formatNumber(row.largest)}</Figure>
          </tr>
        ))}
      </tbody>
    </TableCard>
  );
}

const told = (ms: number | null) => (ms == null ? "–" : formatMs(ms));
