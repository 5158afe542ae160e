import type { Report } from "@/api/client";
import { stageNames, stagesByLoad } from "./parts";
import { StackedBars } from "./stacked-bars";

/** Where an image's time goes, of both lanes at the same load. */
export function Stages({ stages }: { stages: Report["stages"] }) {
  return (
    <StackedBars
      title="Where an image's time goes"
      about="medians, and in small the 90th percentile; each load has a scale of its own"
      caption="The median of each stage of an image, and below it the 90th percentile, by load and lane"
      of="Lane"
      names={stageNames(stages)}
      groups={stagesByLoad(stages)}
      longest="in its group"
    />
  );
}
