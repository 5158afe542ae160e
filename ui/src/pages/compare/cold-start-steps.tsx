import type { Report } from "@/api/client";
import { stepNames, stepsByMemory } from "./parts";
import { StackedBars } from "./stacked-bars";

/** Where a cold start's time goes, by the memory of the function and what predicts in it. */
export function ColdStartSteps({ steps }: { steps: Report["cold_start_steps"] }) {
  return (
    <StackedBars
      title="Where a cold start's time goes"
      about="medians by memory and backend, and in small how sure they are"
      caption="The median of each step of a cold start, and below it its interval, by memory and backend"
      of="Backend"
      names={stepNames(steps)}
      groups={stepsByMemory(steps)}
      longest="of all"
    />
  );
}
