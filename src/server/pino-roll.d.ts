declare module "pino-roll" {
  import type { DestinationStream } from "pino";

  interface RollOptions {
    readonly file: string;
    /** e.g. "10m" */
    readonly size: string;
    readonly limit: { readonly count: number };
    readonly mkdir: boolean;
    readonly mode: number;
    /** Most bytes that wait to be written; lines over it are dropped. */
    readonly maxLength: number;
  }
  interface RolledStream extends DestinationStream {
    end(): void;
    on(event: "error", listener: (error: Error) => void): this;
    once(event: "ready", listener: () => void): this;
    once(event: "error", listener: (error: Error) => void): this;
  }
  function roll(options: RollOptions): Promise<RolledStream>;
  export = roll;
}
