import type { Report } from "@/api/client";
import { Card } from "@/components/ui/card";

/** What the verdict and the costs suppose; most readers do without. */
export function Assumptions({ told }: { told: Report["assumptions"] }) {
  return (
    <Card>
      <details>
        <summary className="cursor-pointer rounded-xl px-5 py-4 font-semibold">
          <h2 className="inline">What this supposes</h2>
          <span className="ml-2 text-sm font-normal text-muted-foreground">
            {told.length} {told.length === 1 ? "assumption" : "assumptions"}
          </span>
        </summary>
        <ul className="ml-5 max-w-prose list-disc space-y-1 px-5 pb-4 text-sm">
          {told.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      </details>
    </Card>
  );
}
