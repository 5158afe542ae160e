import { useQuery } from "@tanstack/react-query";
import { ServerIcon } from "lucide-react";
import { useSearchParams } from "react-router";

import type { Api } from "@/api/apis";
import { useApis } from "@/api/context";
import { seriesQuery, statsQuery } from "@/api/queries";
import { Empty, Failure } from "@/components/states";
import { Select } from "@/components/ui/input";
import { Skeleton } from "@/components/ui/skeleton";
import { cn } from "@/lib/utils";
import { Confusion } from "./confusion";
import { Figures } from "./figures";
import { Labels } from "./labels";
import { Latency, Throughput } from "./series";
import { Stages } from "./stages";

const SPANS: Record<string, string> = {
  15: "last 15 minutes",
  60: "last hour",
  360: "last 6 hours",
  1440: "last day",
  10080: "last week",
  43200: "last 30 days",
};
const HOUR = "60";

/** Each API's figures, as they are now and as they went; several APIs side by side. */
export default function DashboardPage() {
  const { all } = useApis();
  const [search, setSearch] = useSearchParams();
  const asked = search.get("minutes") ?? HOUR;
  const minutes = Object.hasOwn(SPANS, asked) ? asked : HOUR;
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h1 className="text-lg font-semibold">Dashboard</h1>
        <Select
          aria-label="Span of time"
          value={minutes}
          onChange={(event) =>
            setSearch((before) => {
              const next = new URLSearchParams(before);
              next.set("minutes", event.target.value);
              return next;
            })
          }
        >
          {Object.entries(SPANS).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </Select>
      </div>
      <div className={cn("grid items-start gap-6", all.length > 1 && "xl:grid-cols-2")}>
        {all.map((api) => (
          <Panel key={api.url} api={api} minutes={Number(minutes)} wide={all.length === 1} />
        ))}
      </div>
    </div>
  );
}

function Panel({ api, minutes, wide }: { api: Api; minutes: number; wide: boolean }) {
  const stats = useQuery(statsQuery(api));
  const series = useQuery(seriesQuery(api, minutes));
  return (
    <section aria-label={api.name} className="flex min-w-0 flex-col gap-4">
      <h2 className="flex items-center gap-2 font-medium">
        <ServerIcon aria-hidden className="size-4 text-muted-foreground" />
        {api.name}
        {api.url && <span className="truncate text-sm text-muted-foreground">{api.url}</span>}
      </h2>
      {stats.isPending ? (
        <Skeleton className="h-96" />
      ) : !stats.data ? (
        <Failure error={stats.error} onRetry={() => void stats.refetch()} />
      ) : stats.data.total === 0 ? (
        <Empty icon={ServerIcon} title="Nothing has been classified here yet">
          Figures appear with the first image.
        </Empty>
      ) : (
        <>
          <Figures stats={stats.data} wide={wide} />
          <div className={cn("grid gap-4", wide && "lg:grid-cols-2")}>
            <Throughput data={series.data} />
            <Latency data={series.data} />
            <Stages stats={stats.data} />
            <Labels stats={stats.data} api={api} />
          </div>
          <Confusion stats={stats.data} api={api} />
        </>
      )}
    </section>
  );
}
