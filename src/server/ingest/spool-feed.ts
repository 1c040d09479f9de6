import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { EventEnvelope, IngestResult } from "../../../gen/agtmux/v1/ingest_pb.js";
import type { Micros } from "../engine/state.js";
import { failpoint } from "../failpoint.js";
import type { Logger } from "../log.js";
import { StoreFault } from "../store/fault.js";
import { pruneSpool, readSpool, removeSpooled, type SpoolBounds } from "./spool-reader.js";
import { pruneRejects } from "./spool-rejects.js";
import { removeUnseenReaders } from "./unseen-readers.js";

const FILES_AT_ONCE = 200;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
const PRUNE_EVERY_MS = 60_000;

type Ingest = (envelopes: readonly EventEnvelope[], spooledAt: Micros) => Promise<readonly IngestResult[]>;

/** Feeds one reader's spool folder into the journal, in order, and deletes what is committed. */
export class SpoolFeed {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** By the monotonic clock: the store takes nothing before. */
  #resumeAt = 0;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly dir: string,
    private readonly ingest: Ingest,
    private readonly now: () => Micros,
    private readonly settings: SpoolBounds & { readonly spoolPollMs: number },
    private readonly log: Logger,
  ) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Works off everything that is there now. Never rejects: what fails is logged and tried again. */
  drain(): Promise<void> {
    this.#running ??= this.#drain()
      .catch((error: unknown) => {
        // That the store refuses is said once, by the store; the files stay where they are.
        if (error instanceof StoreFault) this.#resumeAt = performance.now() + error.retryInMs;
        else this.log.error({ error: String(error) }, "the spool was not worked off");
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (performance.now() >= this.#resumeAt) void this.drain();
    }, this.settings.spoolPollMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const files = await readSpool(this.dir, { maxFiles: FILES_AT_ONCE, maxBytes: BYTES_AT_ONCE });
      let taken = 0;
      for (const file of files) {
        if (file.error !== undefined) {
          // Its name is somebody's text as well.
          this.log.warn({ reason: file.error }, "a spool file was set aside");
          continue;
        }
        await this.ingest(file.envelopes, file.mtimeMicros);
        failpoint("spool.before-remove");
        await removeSpooled(file.path);
        failpoint("spool.after-remove");
        taken += 1;
      }
      // A file that cannot even be set aside comes again with every reading.
      if (files.length < FILES_AT_ONCE || taken === 0) break;
    }
    if (performance.now() - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = performance.now();
    await removeUnseenReaders(dirname(this.dir), this.now() / 1_000);
    await pruneRejects(this.dir, this.now() / 1_000, this.settings.spoolMs);
    const pruned = await pruneSpool(this.dir, this.now(), this.settings);
    if (pruned.tooOld + pruned.tooMany > 0)
      this.log.warn({ ...pruned }, "spool files over age or size were deleted");
  }
}
