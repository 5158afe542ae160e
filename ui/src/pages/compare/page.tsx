import { useQuery } from "@tanstack/react-query";
import { ScaleIcon } from "lucide-react";

import { reportQuery } from "@/api/queries";
import { ApiProblem } from "@/api/problems";
import { RelativeTime } from "@/components/relative-time";
import { Empty, Failure } from "@/components/states";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Assumptions } from "./assumptions";
import { Bursts } from "./bursts";
import { ColdStartSteps } from "./cold-start-steps";
import { ColdStarts } from "./cold-starts";
import { Costs } from "./costs";
import { Load } from "./load";
import { Predicted } from "./predicted";
import { Simulated } from "./simulated";
import { Stages } from "./stages";
import { Summary } from "./summary";

/** The two lanes against each other, as the bench measured them. */
export default function ComparePage() {
  const { data: report, error, isPending, refetch } = useQuery(reportQuery());
  if (isPending) return <Skeleton className="h-96" />;
  if (!report) {
    return error instanceof ApiProblem && error.status === 404 ? (
      <Card>
        <h1 className="sr-only">Compare</h1>
        <Empty icon={ScaleIcon} title="Nothing has been compared here yet">
          The bench measures both lanes and leaves a report that is shown here. From the
          project&apos;s folder, once ./test has made its environment:
          <pre className="mt-3 overflow-x-auto rounded-md bg-muted p-3 text-left text-foreground">
            {`.venv-test/bin/skylane bench compare --out results
.venv-test/bin/skylane bench report results`}
          </pre>
        </Empty>
      </Card>
    ) : (
      <Failure error={error} onRetry={() => void refetch()} />
    );
  }
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-baseline gap-x-3">
        <h1 className="text-lg font-semibold">On-prem or serverless?</h1>
        <p className="text-sm text-muted-foreground">
          measured <RelativeTime at={report.made_at} /> on {report.machine}
        </p>
      </div>
      {report.verdict && (
        <Card>
          <CardContent className="max-w-prose whitespace-pre-line">{report.verdict}</CardContent>
        </Card>
      )}
      {report.table.length > 0 && <Summary rows={report.table} />}
      <div className="flex flex-wrap gap-4 *:grow *:basis-112 empty:hidden">
        {report.load.length > 0 && <Load points={report.load} />}
        {report.bursts.length > 0 && <Bursts bursts={report.bursts} />}
      </div>
      {report.stages.length > 0 && <Stages stages={report.stages} />}
      {report.cold_starts.length > 0 && <ColdStarts starts={report.cold_starts} />}
      {report.cold_start_steps.length > 0 && <ColdStartSteps steps={report.cold_start_steps} />}
      {report.costs.length > 0 && <Costs costs={report.costs} even={report.break_even_per_s} />}
      {report.predicted.length > 0 && <Predicted rows={report.predicted} />}
      {report.simulated.length > 0 && <Simulated rows={report.simulated} />}
      {report.assumptions.length > 0 && <Assumptions told={report.assumptions} />}
      <Card>
        <CardHeader>
          <CardTitle>Measure it yourself</CardTitle>
        </CardHeader>
        <CardContent>
          <pre tabIndex={0} className="overflow-x-auto text-xs">
            {report.commands.join("\n")}
          </pre>
        </CardContent>
      </Card>
    </div>
  );
}
