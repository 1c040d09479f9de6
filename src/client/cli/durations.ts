import { usageError } from "../errors.js";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration such as 500ms, 30s, 15m, 2h or 7d. Throws E_INVALID_ARGUMENT, naming `field`. */
export function parseDuration(field: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw usageError(field, `${field}: "${text}" is not a duration; write it as 500ms, 30s, 15m, 2h or 7d`);
  }
  return Math.round(Number(match[1]) * unit);
}

/** An age for a person, in at most two units: `8s`, `4m`, `1h05m`, `3d04h`. Negative ages read as 0s. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const pad = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${pad(hours % 24)}h`;
}
