/** How figures are written: the same everywhere on the page. */

const number = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const formatNumber = (value: number): string => number.format(value);

/** A share from 0 to 1, as a percentage. Less than all is never rounded up to all. */
export function formatShare(share: number, digits = 1): string {
  const scale = 10 ** digits;
  const percent = Math.floor(share * 100 * scale + 1e-6) / scale;
  return `${percent.toFixed(digits)} %`;
}

/** A duration in ms with three figures: 0.42 ms, 8.13 ms, 245 ms, 3.20 s, 2.1 min. */
export function formatMs(ms: number): string {
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 999.5) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms >= 99.95) return `${Math.round(ms)} ms`;
  return `${ms >= 9.995 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** A rate with two figures, however low: 0.0028, 0.5, 8.2, 430. */
export function formatRate(rate: number): string {
  return rate >= 10 ? formatNumber(Math.round(rate)) : String(Number(rate.toPrecision(2)));
}

export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes} B`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** How long ago, in words. A server's clock may be ahead of ours: that is "now", not "in 2 s". */
export function formatAgo(then: Date, now: Date = new Date()): string {
  const ms = Math.min(0, then.getTime() - now.getTime());
  for (const [unit, unit_ms] of UNITS) {
    if (-ms >= unit_ms) return relative.format(Math.ceil(ms / unit_ms), unit);
  }
  return "now";
}

export const formatExact = (time: Date): string => exact.format(time);

/** A label as people read it: AnnualCrop is "Annual crop". */
export function formatLabel(label: string): string {
  const words = label
    .replace(/[_-]+/g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
