import { useQuery } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import type { Api } from "@/api/apis";
import { aboutQuery } from "@/api/queries";
import { type Snapshot, UploadQueue } from "./queue";

const queues = new Map<string, UploadQueue>();

function queueOf(api: Api): UploadQueue {
  let queue = queues.get(api.url);
  if (!queue) queues.set(api.url, (queue = new UploadQueue(api)));
  return queue;
}

/** The uploads to an API, which go on whatever page is shown. */
export function useQueue(api: Api): [UploadQueue, Snapshot] {
  const queue = queueOf(api);
  const { data: about } = useQuery(aboutQuery(api));
  useEffect(() => {
    if (about) queue.learn(about);
  }, [queue, about]);
  return [queue, useSyncExternalStore(queue.subscribe, queue.getSnapshot)];
}

// The browser asks before it leaves files behind that have not arrived, whatever page is shown.
window.addEventListener("beforeunload", (event) => {
  for (const queue of queues.values()) {
    const { counts } = queue.getSnapshot();
    if (counts.waiting + counts.sending > 0) event.preventDefault();
  }
});
