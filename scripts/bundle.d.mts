import type { Plugin } from "esbuild";

/**
 * Bundles agtmuxd into `outdir`. With `failpoints` it can be stopped at the points of src/server/failpoint.ts; in the
 * product they are nothing. `plugins` are esbuild's.
 */
export function bundleDaemon(
  outdir: string,
  root?: string,
  options?: { readonly failpoints?: boolean; readonly plugins?: readonly Plugin[] },
): Promise<void>;

/** Bundles agtmux and agtmuxd into `outdir`; `root` is the checkout. */
export function bundle(outdir: string, root?: string): Promise<void>;
