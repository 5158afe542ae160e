import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { InboxIcon, SearchXIcon } from "lucide-react";
import { useCallback, useMemo } from "react";
import { Link } from "react-router";
import { toast } from "sonner";

import { useApi, useLinkTo } from "@/api/context";
import type { Prediction } from "@/api/client";
import { aboutQuery, resultsQuery } from "@/api/queries";
import { Empty, Failure } from "@/components/states";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { formatNumber } from "@/lib/format";
import { downloadCsv } from "./csv";
import { FilterBar } from "./filters";
import { Preview } from "./preview";
import { useSearchState } from "./search-state";
import { ResultsTable } from "./table";

/** Every prediction there is: found, sorted, looked at closely, taken along, deleted. */
export default function ResultsPage() {
  const api = useApi();
  const { filters, sort, id, change } = useSearchState();
  const { data: about } = useQuery(aboutQuery(api));
  const query = useInfiniteQuery(resultsQuery(api, filters, sort));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.results) ?? [], [query.data]);

  const { fetchNextPage, hasNextPage, isFetching, isError } = query;
  const pages = query.data?.pages.length ?? 0;
  // A page may be empty and not the last: the API looks through so many rows at a time.
  const more = useCallback(() => {
    if (pages > 0 && hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [pages, hasNextPage, isFetching, isError, fetchNextPage]);

  const open = useCallback((row: Prediction) => change({ id: row.request_id }), [change]);
  const at = rows.findIndex((row) => row.request_id === id);
  const show = (next: string) => change({ id: next }, true);
  const download = () =>
    void downloadCsv(api, filters).catch((error: unknown) =>
      toast.error(`No CSV: ${error instanceof Error ? error.message : "it failed"}`),
    );

  return (
    <div className="flex flex-col gap-4">
      <h1 className="sr-only">Results</h1>
      <FilterBar
        about={about}
        filters={filters}
        sort={sort}
        change={change}
        onDownload={download}
      />
      <Card className="min-w-0">
        {query.isPending ? (
          <Loading />
        ) : query.error && rows.length === 0 ? (
          <Failure error={query.error} onRetry={() => void query.refetch()} />
        ) : rows.length === 0 && !hasNextPage ? (
          <NoRows filtered={Object.keys(filters).length > 0} sure={sort.endsWith("confidence")} />
        ) : (
          <ResultsTable
            api={api}
            rows={rows}
            sort={sort}
            onSort={(next) => change({ sort: next })}
            onOpen={open}
            onNearEnd={more}
          />
        )}
      </Card>
      {rows.length > 0 || hasNextPage ? (
        <p role="status" className="text-center text-sm text-muted-foreground tabular-nums">
          {formatNumber(rows.length)} {hasNextPage ? "so far" : "in all"}
          {query.isFetchingNextPage && ", looking for more…"}
        </p>
      ) : null}
      {query.isFetchNextPageError && (
        <Failure error={query.error} onRetry={() => void fetchNextPage()} />
      )}
      {id && (
        <Preview
          api={api}
          id={id}
          onClose={() => change({ id: "" })}
          above={rows[at - 1]?.request_id}
          below={at < 0 ? undefined : rows[at + 1]?.request_id}
          onShow={show}
        />
      )}
    </div>
  );
}

function Loading() {
  return (
    <div aria-busy className="flex flex-col gap-3 p-4" aria-label="Loading">
      {Array.from({ length: 8 }, (_, n) => (
        <Skeleton key={n} className="h-12" />
      ))}
    </div>
  );
}

function NoRows({ filtered, sure }: { filtered: boolean; sure: boolean }) {
  const linkTo = useLinkTo();
  return filtered ? (
    <Empty icon={SearchXIcon} title="Nothing matches">
      No prediction is like that. Clear a filter to see more.
      {sure && " What has no label has no confidence: order by time to see that too."}
    </Empty>
  ) : (
    <Empty icon={InboxIcon} title="No results yet">
      <Link to={linkTo("/")} className="text-primary underline underline-offset-2">
        Classify some images
      </Link>{" "}
      and their predictions are here, for good.
    </Empty>
  );
}
