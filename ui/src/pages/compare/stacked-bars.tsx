import { formatMs } from "@/lib/format";
import { type Bar, colourOfPart, type Group, sumOf } from "./parts";
import { Figure, TableCard } from "./table-card";

interface Props {
  title: string;
  about: string;
  caption: string;
  /** What a bar is of. */
  of: string;
  names: string[];
  groups: Group[];
  /** Whether a bar is as long as its share of the longest in its group, or of all. */
  longest: "in its group" | "of all";
}

/** Bars that are stacked of parts, in groups, with each part's figure beside them. */
export function StackedBars({ title, about, caption, of, names, groups, longest }: Props) {
  const most = (among: Group[]) =>
    Math.max(1e-9, ...among.flatMap((group) => group.bars.map(sumOf)));
  return (
    <TableCard title={title} about={about} caption={caption} legend={<Legend names={names} />}>
      <thead>
        <tr>
          <th scope="col">{of}</th>
          <td className="w-2/5" />
          <th scope="col" className="pl-4 text-right whitespace-nowrap">
            added up
          </th>
          {names.map((name) => (
            <th key={name} scope="col" className="pl-4 text-right whitespace-nowrap">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      {groups.map((group) => (
        <tbody key={group.title} className="border-t first-of-type:border-t-0">
          <tr>
            <th scope="rowgroup" colSpan={names.length + 3} className="pt-2 font-medium">
              {group.title}
            </th>
          </tr>
          {group.bars.map((bar) => (
            <tr key={bar.title}>
              <th scope="row" className="py-1 pr-3 align-top font-normal whitespace-nowrap">
                {bar.title}
              </th>
              <td className="min-w-32 pt-2 align-top">
                <Parts bar={bar} most={most(longest === "of all" ? groups : [group])} />
              </td>
              <Figure>{formatMs(sumOf(bar))}</Figure>
              {bar.parts.map((part) => (
                <Figure key={part.name} below={part.below}>
                  {part.ms == null ? "–" : formatMs(part.ms)}
                </Figure>
              ))}
            </tr>
          ))}
        </tbody>
      ))}
    </TableCard>
  );
}

/** The bar itself; its figures are in its row. */
function Parts({ bar, most }: { bar: Bar; most: number }) {
  return (
    <div aria-hidden className="flex h-3 overflow-hidden rounded-xs">
      {bar.parts.map(({ name, ms }, place) => (
        <div
          key={name}
          data-part={name}
          title={ms == null ? undefined : `${name} ${formatMs(ms)}`}
          style={{
            width: `${((ms ?? 0) / most) * 100}%`,
            background: colourOfPart(name, place),
          }}
        />
      ))}
    </div>
  );
}

function Legend({ names }: { names: string[] }) {
  return (
    <ul aria-hidden className="flex flex-wrap gap-x-4 gap-y-1 px-5 pt-2 text-xs">
      {names.map((name, place) => (
        <li key={name} className="flex items-center gap-1.5">
          <span className="size-2.5 rounded-xs" style={{ background: colourOfPart(name, place) }} />
          {name}
        </li>
      ))}
    </ul>
  );
}
