import type { Report } from "@/api/client";
import { LANES, colourOf } from "./lanes";
import { TableCard } from "./table-card";

/** Both lanes side by side, in words. Where there is little room a note stands below its row's name. */
export function Summary({ rows }: { rows: Report["table"] }) {
  const noted = rows.some((row) => row.note);
  return (
    <TableCard title="Side by side" caption="What each lane does and costs, line by line">
      <thead>
        <tr>
          <th scope="col">What</th>
          {LANES.map((lane) => (
            <th key={lane} scope="col" className="pl-4">
              <span
                aria-hidden
                className="mr-1.5 inline-block size-2.5 rounded-xs"
                style={{ background: colourOf(lane) }}
              />
              {lane}
            </th>
          ))}
          {noted && (
            <th scope="col" className="hidden pl-4 lg:table-cell">
              Note
            </th>
          )}
        </tr>
      </thead>
      <tbody className="[&_td]:py-1.5 [&_td]:pl-4 [&_td]:align-top">
        {rows.map((row) => (
          <tr key={row.what} className="border-t">
            <th scope="row" className="py-1.5 align-top font-normal">
              {row.what}
              {row.note && (
                <span className="block text-xs text-muted-foreground lg:hidden">{row.note}</span>
              )}
            </th>
            <td className="font-medium">{row.on_prem}</td>
            <td className="font-medium">{row.serverless}</td>
            {noted && <td className="hidden text-muted-foreground lg:table-cell">{row.note}</td>}
          </tr>
        ))}
      </tbody>
    </TableCard>
  );
}
