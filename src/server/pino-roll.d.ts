declare module "pino-roll" {
  import type { DestinationStream } from "pino";

  interface RollOptions {
    readonly file: string;
    /** e.g. "10m" */
    readonly size: string;
    readonly limit: { readonly count: number };
    readonly mkdir: boolean;
    readonly mode: number;
  }
  function roll(options: RollOptions): Promise<DestinationStream & { end(): void }>;
  export = roll;
}
