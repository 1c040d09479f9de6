/** A set of samples in numbers; percentiles are values that occurred (nearest rank). */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Three digits after the point: beyond that, no clock here means anything. */
export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** `share` from 0 to 1. NaN of no samples. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function summarize(values: readonly number[]): Summary {
  return {
    count: values.length,
    min: rounded(percentile(values, 0)),
    median: rounded(median(values)),
    p95: rounded(percentile(values, 0.95)),
    p99: rounded(percentile(values, 0.99)),
    max: rounded(percentile(values, 1)),
  };
}
