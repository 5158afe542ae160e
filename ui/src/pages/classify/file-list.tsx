import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";

import type { Api } from "@/api/apis";
import type { Item } from "@/uploads/items";
import type { UploadQueue } from "@/uploads/queue";
import { FileRow } from "./file-row";

const ROW_PX = 68;

interface Props {
  api: Api;
  queue: UploadQueue;
  items: readonly Item[];
}

/** The files in the order they came. Only those in view are in the page: there may be thousands. */
export function FileList({ api, queue, items }: Props) {
  const box = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- it gives new rows at each call
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 6,
  });
  return (
    // The keyboard scrolls it: https://dequeuniversity.com/rules/axe/4.11/scrollable-region-focusable
    <div
      ref={box}
      tabIndex={0}
      role="region"
      aria-label="Files"
      className="max-h-[60dvh] overflow-y-auto"
    >
      <ul className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((virtual) => {
          const item = items[virtual.index];
          return (
            item && (
              <li
                key={virtual.key}
                ref={rows.measureElement}
                data-index={virtual.index}
                aria-setsize={items.length}
                aria-posinset={virtual.index + 1}
                className="absolute inset-x-0 border-b last:border-b-0"
                style={{ transform: `translateY(${virtual.start}px)` }}
              >
                <FileRow api={api} queue={queue} item={item} />
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}
