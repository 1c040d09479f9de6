/** Bundles agtmux and agtmuxd into `outdir`; `root` is the checkout. */
export function bundle(outdir: string, root?: string): Promise<void>;
