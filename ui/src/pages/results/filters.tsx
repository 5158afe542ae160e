import { DownloadIcon, SearchIcon, XIcon } from "lucide-react";
import { useEffect, useState } from "react";

import type { About } from "@/api/client";
import type { Filters, Sort } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/input";
import { formatLabel } from "@/lib/format";
import { SORTS } from "./search-state";

const TYPING_MS = 300; // a search begins when the typing pauses

interface Props {
  about: About | undefined;
  filters: Filters;
  sort: Sort;
  change: (values: Record<string, string | undefined>, replace?: boolean) => void;
  onDownload: () => void;
}

export function FilterBar({ about, filters, sort, change, onDownload }: Props) {
  const labels = (about?.labels ?? []).map((label) => [label, formatLabel(label)] as const);
  const any = Object.keys(filters).length > 0;
  return (
    <div
      role="search"
      aria-label="Results"
      className="grid grid-cols-2 items-center gap-2 sm:flex sm:flex-wrap [&_select]:w-full sm:[&_select]:w-36"
    >
      <SearchField value={filters.search ?? ""} onChange={(search) => change({ search }, true)} />
      <Choice name="Label" param="label" value={filters.label} options={labels} change={change} />
      <Choice
        name="True label"
        param="true_label"
        value={filters.true_label}
        options={labels}
        change={change}
      />
      <Choice
        name="Correct"
        param="correct"
        value={filters.correct === undefined ? undefined : String(filters.correct)}
        options={[
          ["true", "right"],
          ["false", "wrong"],
        ]}
        change={change}
      />
      <Choice
        name="Status"
        param="status"
        value={filters.status}
        options={["pending", "running", "done", "failed"].map(
          (status) => [status, status] as const,
        )}
        change={change}
      />
      <Choice
        name="Lane"
        param="lane"
        value={filters.lane}
        options={["on-prem", "serverless"].map((lane) => [lane, lane] as const)}
        change={change}
      />
      <Select
        aria-label="Order"
        value={sort}
        onChange={(event) => change({ sort: event.target.value })}
      >
        {Object.entries(SORTS).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </Select>
      {any && (
        <Button
          variant="ghost"
          onClick={() =>
            change({ label: "", true_label: "", correct: "", status: "", lane: "", search: "" })
          }
        >
          <XIcon aria-hidden /> Clear
        </Button>
      )}
      <Button variant="outline" className="sm:ml-auto" onClick={onDownload}>
        <DownloadIcon aria-hidden /> CSV
      </Button>
    </div>
  );
}

interface ChoiceProps {
  name: string;
  param: string;
  value: string | undefined;
  options: readonly (readonly [string, string])[];
  change: Props["change"];
}

function Choice({ name, param, value, options, change }: ChoiceProps) {
  return (
    <Select
      aria-label={name}
      value={value ?? ""}
      onChange={(event) => change({ [param]: event.target.value })}
      className={value ? "border-primary" : undefined}
    >
      <option value="">{name}</option>
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </Select>
  );
}

function SearchField({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value); // the address changed under us: by a link, or by Clear
    setText(value);
  }
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <span className="relative col-span-2 sm:w-52">
      <SearchIcon aria-hidden className="absolute top-2.5 left-2.5 size-4 text-muted-foreground" />
      <Input
        type="search"
        aria-label="Search by file name"
        placeholder="Search by file name"
        maxLength={100}
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="w-full pl-8"
      />
    </span>
  );
}
