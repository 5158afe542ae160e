import { type InfiniteData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ChevronLeftIcon, ChevronRightIcon, Trash2Icon } from "lucide-react";
import { toast } from "sonner";

import type { Api } from "@/api/apis";
import { clientOf, type Prediction, type Results } from "@/api/client";
import { ApiProblem } from "@/api/problems";
import { resultQuery } from "@/api/queries";
import { ConfidenceBars } from "@/components/confidence-bars";
import { RelativeTime } from "@/components/relative-time";
import { StageTable } from "@/components/stage-bar";
import { Failure } from "@/components/states";
import { StatusBadge } from "@/components/status-badge";
import { TileImage } from "@/components/tile-image";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { formatBytes } from "@/lib/format";
import { stateOf } from "@/uploads/items";

interface Props {
  api: Api;
  id: string;
  onClose: () => void;
  /** The neighbours in the list, where there are some. */
  above: string | undefined;
  below: string | undefined;
  onShow: (id: string) => void;
}

/** One result with all that is known of it. */
export function Preview({ api, id, onClose, above, below, onShow }: Props) {
  const { data: row, error, refetch } = useQuery(resultQuery(api, id));
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={row?.image_name ?? "Result"}
      description={<span className="font-mono text-xs">{id}</span>}
      className="max-w-3xl"
      onCloseAutoFocus={(event) => {
        event.preventDefault(); // it was opened by its row, or by a link
        document
          .querySelector<HTMLElement>(`[data-request-id="${CSS.escape(id)}"] button`)
          ?.focus();
      }}
    >
      <div
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft" && above) onShow(above);
          if (event.key === "ArrowRight" && below) onShow(below);
        }}
      >
        {error && !row ? (
          <Failure error={error} onRetry={() => void refetch()} />
        ) : row ? (
          <Details api={api} row={row} />
        ) : (
          <Skeleton className="mt-4 h-72" />
        )}
        <div className="mt-4 flex items-center gap-2">
          <Button
            variant="outline"
            size="icon"
            aria-label="The one above"
            disabled={!above}
            onClick={() => above && onShow(above)}
          >
            <ChevronLeftIcon />
          </Button>
          <Button
            variant="outline"
            size="icon"
            aria-label="The one below"
            disabled={!below}
            onClick={() => below && onShow(below)}
          >
            <ChevronRightIcon />
          </Button>
          {row && <Delete api={api} row={row} onDeleted={onClose} />}
        </div>
      </div>
    </Dialog>
  );
}

function Details({ api, row }: { api: Api; row: Prediction }) {
  return (
    <div className="mt-4 grid gap-5 sm:grid-cols-[16rem_1fr]">
      <div className="flex flex-col gap-3">
        <TileImage
          key={row.request_id}
          api={api}
          row={row}
          large
          className="aspect-square w-full border"
        />
        <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-xs text-muted-foreground [&_dd]:truncate [&_dd]:text-right [&_dd]:text-foreground">
          <dt>accepted</dt>
          <dd>
            <RelativeTime at={row.accepted_at} />
          </dd>
          <dt>size</dt>
          <dd>
            {formatBytes(row.size_bytes)}, {row.content_type}
          </dd>
          <dt>lane</dt>
          <dd>{row.lane}</dd>
          <dt>model</dt>
          <dd title={row.model_version ?? undefined}>{row.model_version ?? "–"}</dd>
          <dt>worker</dt>
          <dd title={row.worker ?? undefined}>{row.worker ?? "–"}</dd>
          <dt>attempts</dt>
          <dd>
            {row.attempts}
            {row.cold_start && ", cold start"}
          </dd>
          <dt>batch of</dt>
          <dd>{row.batch_size ?? "–"}</dd>
        </dl>
      </div>
      <div className="flex min-w-0 flex-col gap-4 text-sm">
        <div>
          <StatusBadge state={stateOf(row)} />
        </div>
        {row.error && (
          <p className="text-destructive">
            <span className="font-mono text-xs">{row.error.code}</span>: {row.error.detail}
          </p>
        )}
        {row.probabilities && (
          <ConfidenceBars probabilities={row.probabilities} true_label={row.true_label} />
        )}
        <StageTable row={row} explain />
        <details>
          <summary className="cursor-pointer font-medium">Raw JSON</summary>
          <pre tabIndex={0} className="mt-2 max-h-72 overflow-auto rounded-md bg-muted p-3 text-xs">
            {JSON.stringify(row, null, 2)}
          </pre>
        </details>
      </div>
    </div>
  );
}

function without(page: Results, request_id: string): Results {
  return { ...page, results: page.results.filter((one) => one.request_id !== request_id) };
}

function Delete({ api, row, onDeleted }: { api: Api; row: Prediction; onDeleted: () => void }) {
  const queries = useQueryClient();
  const { mutate, isPending } = useMutation({
    mutationFn: () =>
      clientOf(api)
        .DELETE("/results/{request_id}", { params: { path: { request_id: row.request_id } } })
        .catch((error: unknown) => {
          // Deleted already, by somebody else, is what was wanted.
          if (!(error instanceof ApiProblem) || error.status !== 404) throw error;
        }),
    onSuccess: () => {
      toast.success(`${row.image_name} is deleted.`);
      // Taken out of every list that is at hand, rather than have all of their pages fetched anew.
      queries.setQueriesData<InfiniteData<Results>>(
        { queryKey: [api.url, "results"] },
        (lists) =>
          lists && { ...lists, pages: lists.pages.map((page) => without(page, row.request_id)) },
      );
      queries.removeQueries({ queryKey: resultQuery(api, row.request_id).queryKey });
      onDeleted();
    },
    onError: (error) => toast.error(`It is not deleted: ${error.message}`),
  });
  return (
    <Confirm
      title={`Delete ${row.image_name}?`}
      description="The prediction and the image itself are deleted, for good."
      action="Delete"
      onConfirm={() => mutate()}
      trigger={
        <Button variant="destructive" className="ml-auto" disabled={isPending}>
          <Trash2Icon aria-hidden /> Delete
        </Button>
      }
    />
  );
}
