import type { Report } from "@/api/client";
import { formatMs } from "@/lib/format";
import { formatLoad, LANES } from "./lanes";

type Stages = Report["stages"];
type Steps = Report["cold_start_steps"];

/** A stage or a step; `below` is what stands below its figure. */
export interface Part {
  name: string;
  ms: number | null;
  below?: string | undefined;
}

export interface Bar {
  title: string;
  parts: Part[];
}

/** Bars that are looked at beside each other. */
export interface Group {
  title: string;
  bars: Bar[];
}

const STAGES = ["accept", "queue", "fetch", "decode", "infer", "record"];
const COLOURS = ["queue", "fetch", "decode", "infer", "record", "accept"];

/** A stage has the same colour on every page; what is none has that of its place. */
export const colourOfPart = (name: string, place: number): string =>
  `var(--${STAGES.includes(name) ? name : (COLOURS[place % COLOURS.length] ?? "queue")})`;

export const sumOf = (bar: Bar): number => bar.parts.reduce((sum, part) => sum + (part.ms ?? 0), 0);

/** The stages that there are: in an image's order, and then those that nobody knows here. */
export function stageNames(stages: Stages): string[] {
  const found = [...new Set(stages.map((row) => row.stage))];
  return [
    ...STAGES.filter((name) => found.includes(name)),
    ...found.filter((name) => !STAGES.includes(name)),
  ];
}

/** For each load, from the lowest, the lanes that were under it. */
export function stagesByLoad(stages: Stages): Group[] {
  const names = stageNames(stages);
  const sorted = stages.toSorted((a, b) => a.offered_per_s - b.offered_per_s);
  return [...Map.groupBy(sorted, (row) => formatLoad(row.offered_per_s))].map(([title, rows]) => ({
    title,
    bars: LANES.filter((lane) => rows.some((row) => row.lane === lane)).map((lane) => ({
      title: lane,
      parts: names.map((name) => {
        const row = rows.find((one) => one.lane === lane && one.stage === name);
        const p90 = row?.p90_ms;
        const below = p90 == null ? undefined : formatMs(p90);
        return { name, ms: row?.p50_ms ?? null, below };
      }),
    })),
  }));
}

export const stepNames = (steps: Steps): string[] => [...new Set(steps.map((row) => row.step))];

/** For each memory size, from the least, the backends that were started in it. */
export function stepsByMemory(steps: Steps): Group[] {
  const names = stepNames(steps);
  const backends = [...new Set(steps.map((row) => row.backend))];
  const sorted = steps.toSorted((a, b) => a.memory_mb - b.memory_mb);
  return [...Map.groupBy(sorted, (row) => `${row.memory_mb} MB`)].map(([title, rows]) => ({
    title,
    bars: backends
      .filter((backend) => rows.some((row) => row.backend === backend))
      .map((backend) => ({
        title: backend,
        parts: names.map((name) => {
          const row = rows.find((one) => one.backend === backend && one.step === name);
          return { name, ms: row?.ms.value ?? null, below: row && boundsOf(row.ms) };
        }),
      })),
  }));
}

/** The bounds of an interval, where they are known. */
export function boundsOf(ms: Report["cold_starts"][number]["init_ms"]): string | undefined {
  return ms.low != null && ms.high != null
    ? `${formatMs(ms.low)} to ${formatMs(ms.high)}`
    : undefined;
}
