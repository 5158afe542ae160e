import type { Report } from "@/api/client";
import { formatMs } from "@/lib/format";
import { formatLoad } from "./lanes";
import { boundsOf } from "./parts";
import { formatRatio, howFarOff, percentileName, ratioOf } from "./ratios";
import { Figure, TableCard } from "./table-card";

type Row = Report["predicted"][number];

/** Whether the simulation is to be believed: what it says of loads that were measured as well. */
export function Predicted({ rows }: { rows: Report["predicted"] }) {
  const loads = Map.groupBy(rows, (row) => `${row.lane}, ${formatLoad(row.offered_per_s)}`);
  return (
    <TableCard
      title="Predicted against measured"
      about={howFarOff(rows)}
      narrow
      caption="Percentiles that were measured, and what the simulation predicts of the same load"
    >
      <thead>
        <tr>
          <th scope="col">Percentile</th>
          <th scope="col" className="pl-4 text-right">
            measured
          </th>
          <th scope="col" className="pl-4 text-right">
            predicted
          </th>
          <th scope="col" className="pl-4 text-right">
            ratio
          </th>
        </tr>
      </thead>
      {[...loads].map(([load, group]) => (
        <tbody key={load} className="border-t">
          <tr>
            <th scope="rowgroup" colSpan={4} className="pt-2 font-medium">
              {load}
            </th>
          </tr>
          {group.map((row) => (
            <tr key={row.q}>
              <th scope="row" className="py-1 align-top font-normal">
                {percentileName(row.q)}
              </th>
              <Cells row={row} />
            </tr>
          ))}
        </tbody>
      ))}
    </TableCard>
  );
}

function Cells({ row }: { row: Row }) {
  const ratio = ratioOf(row);
  return (
    <>
      <Figure below={boundsOf(row.measured)}>{formatMs(row.measured.value)}</Figure>
      <Figure>{formatMs(row.predicted_ms)}</Figure>
      <Figure>{ratio == null ? "–" : formatRatio(ratio)}</Figure>
    </>
  );
}
