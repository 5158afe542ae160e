import { useQuery } from "@tanstack/react-query";
import { ScaleIcon } from "lucide-react";

import { reportQuery } from "@/api/queries";
import { ApiProblem } from "@/api/problems";
import { RelativeTime } from "@/components/relative-time";
import { Empty, Failure } from "@/components/states";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Bursts } from "./bursts";
import { ColdStarts } from "./cold-starts";
import { Costs } from "./costs";
import { Load } from "./load";

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
            .venv-test/bin/python -m bench.report
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
      <div className="grid gap-4 lg:grid-cols-2">
        {report.load.length > 0 && <Load points={report.load} />}
        {report.bursts.length > 0 && <Bursts bursts={report.bursts} />}
        {report.costs.length > 0 && <Costs costs={report.costs} even={report.break_even_per_s} />}
        {report.cold_starts.length > 0 && <ColdStarts starts={report.cold_starts} />}
      </div>
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
