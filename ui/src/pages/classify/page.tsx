import { useQuery } from "@tanstack/react-query";
import { ImagesIcon } from "lucide-react";
import { useState } from "react";

import { useApi } from "@/api/context";
import { aboutQuery } from "@/api/queries";
import { Empty } from "@/components/states";
import { Card } from "@/components/ui/card";
import type { State } from "@/uploads/items";
import { useQueue } from "@/uploads/use-queue";
import { DropZone } from "./drop-zone";
import { FileList } from "./file-list";
import { Overview } from "./overview";

const FAILED: readonly State[] = ["failed", "rejected", "unsent"];

/** Send images and watch what becomes of them. */
export function ClassifyPage() {
  const api = useApi();
  const { data: about } = useQuery(aboutQuery(api));
  const [queue, snapshot] = useQueue(api);
  const [onlyFailed, setOnlyFailed] = useState(false);
  const shown = onlyFailed
    ? snapshot.items.filter(({ state }) => FAILED.includes(state))
    : snapshot.items;
  return (
    <div className="flex flex-col gap-5">
      <h1 className="sr-only">Classify</h1>
      <DropZone about={about} onPicked={(picked) => queue.add(picked)} />
      <Card>
        {snapshot.items.length === 0 ? (
          <Empty icon={ImagesIcon} title="No images yet">
            Drop some above. Each shows here how far it is, and its label as soon as it has one.
          </Empty>
        ) : (
          <>
            <Overview
              queue={queue}
              snapshot={snapshot}
              onlyFailed={onlyFailed}
              onOnlyFailed={setOnlyFailed}
            />
            <FileList api={api} queue={queue} items={shown} />
          </>
        )}
      </Card>
    </div>
  );
}
