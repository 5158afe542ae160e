import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { ArrowDownIcon, ArrowUpIcon } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";

import type { Api } from "@/api/apis";
import type { Prediction } from "@/api/client";
import type { Sort } from "@/api/queries";
import { ResultRow, ROW_PX } from "./row";

const NEAR_ROWS = 20; // from the end: time to ask for more

interface Props {
  api: Api;
  rows: readonly Prediction[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  onOpen: (row: Prediction) => void;
  onNearEnd: () => void;
}

/** The rows, of which only those in view are in the page: however many, it scrolls alike. */
export function ResultsTable({ api, rows, sort, onSort, onOpen, onNearEnd }: Props) {
  const table = useRef<HTMLTableElement>(null);
  const [offset_px, setOffset] = useState(0);
  useEffect(() => setOffset(table.current?.offsetTop ?? 0), []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PX,
    overscan: 10,
    scrollMargin: offset_px,
  });
  const shown = virtual.getVirtualItems();
  const first = shown[0];
  const last = shown.at(-1);
  const nearEnd = (last?.index ?? 0) >= rows.length - NEAR_ROWS;
  useEffect(() => {
    if (nearEnd) onNearEnd();
  }, [nearEnd, onNearEnd, rows.length]);

  return (
    <table ref={table} aria-rowcount={-1} className="w-full table-fixed text-left text-sm">
      <thead className="text-xs text-muted-foreground">
        <tr className="border-b">
          <th scope="col" className="w-17 py-2 pl-4 font-medium">
            <span className="sr-only">Picture</span>
          </th>
          <Sortable
            by="accepted_at"
            title="Sort by time"
            sort={sort}
            onSort={onSort}
            className="w-auto"
          >
            Image
          </Sortable>
          <Sortable
            by="confidence"
            title="Sort by confidence"
            sort={sort}
            onSort={onSort}
            className="w-32 sm:w-44"
          >
            Label
          </Sortable>
          <th scope="col" className="hidden w-32 px-2 font-medium md:table-cell">
            True label
          </th>
          <th scope="col" className="hidden w-26 px-2 font-medium sm:table-cell">
            Status
          </th>
          <th scope="col" className="hidden w-44 px-2 font-medium lg:table-cell">
            Lane, model
          </th>
          <th scope="col" className="hidden w-44 px-2 pr-4 font-medium sm:table-cell">
            Where the time went
          </th>
        </tr>
      </thead>
      <tbody>
        <Spacer height_px={first ? first.start - offset_px : 0} />
        {shown.map(({ index }) => {
          const row = rows[index];
          return (
            row && <ResultRow key={row.id} api={api} row={row} number={index + 1} onOpen={onOpen} />
          );
        })}
        <Spacer height_px={last ? virtual.getTotalSize() + offset_px - last.end : 0} />
      </tbody>
    </table>
  );
}

/** Stands for the rows out of view. */
function Spacer({ height_px }: { height_px: number }) {
  return height_px > 0 ? (
    <tr aria-hidden style={{ height: height_px }}>
      <td />
    </tr>
  ) : null;
}

interface SortableProps {
  by: "accepted_at" | "confidence";
  sort: Sort;
  onSort: (sort: Sort) => void;
  title: string;
  className: string;
  children: ReactNode;
}

function Sortable({ by, sort, onSort, title, className, children }: SortableProps) {
  const direction = sort === by ? "ascending" : sort === `-${by}` ? "descending" : undefined;
  const Icon = direction === "ascending" ? ArrowUpIcon : ArrowDownIcon;
  return (
    <th scope="col" aria-sort={direction ?? "none"} className={`px-2 font-medium ${className}`}>
      <button
        type="button"
        title={title}
        className="inline-flex items-center gap-1 rounded-sm py-2 hover:text-foreground"
        onClick={() => onSort(direction === "descending" ? by : `-${by}`)}
      >
        {children}
        <Icon aria-hidden className={direction ? "size-3.5" : "size-3.5 opacity-0"} />
      </button>
    </th>
  );
}
