import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";

/** A reader that has this much waiting has stopped reading. */
const MAX_WAITING = 10_000;

export interface EventQueue<T> extends AsyncIterable<readonly T[]> {
  push(item: T): void;
}

/**
 * What was pushed since the last read, as batches; an empty batch after `heartbeatMs` of silence. Ends when the signal
 * aborts. A reader too far behind gets ContractError E_RESOURCE_EXHAUSTED instead of growing memory.
 */
export function eventQueue<T>(heartbeatMs: number, signal: AbortSignal): EventQueue<T> {
  let waiting: T[] = [];
  let overflowed = false;
  let wake = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => wake.resolve(), { once: true });
  return {
    push(item) {
      if (waiting.length >= MAX_WAITING) {
        overflowed = true;
        waiting = [];
      }
      if (!overflowed) waiting.push(item);
      wake.resolve();
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (waiting.length === 0 && !overflowed) {
          const timer = setTimeout(() => wake.resolve(), heartbeatMs);
          await wake.promise;
          clearTimeout(timer);
        }
        wake = Promise.withResolvers<void>();
        if (signal.aborted) return;
        if (overflowed) {
          throw new ContractError(
            ErrorCode.E_RESOURCE_EXHAUSTED,
            "the reader fell too far behind; list what it missed",
          );
        }
        const batch = waiting;
        waiting = [];
        yield batch;
      }
    },
  };
}
