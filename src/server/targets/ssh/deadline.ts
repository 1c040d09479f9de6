import { SshError } from "./ssh-error.js";

/** A signal that aborts when time is up or the parent does; its reason is an SshError. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Lets go of the timer and of the parent; must be called once. */
  end(): void;
}

/** `onTime` says what was being waited for when the time was up. */
export function startDeadline(ms: number, onTime: () => SshError, parent: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = (): void => controller.abort(asSshError(parent.reason));
  if (parent.aborted) onParent();
  parent.addEventListener("abort", onParent, { once: true });
  const timer = setTimeout(() => controller.abort(onTime()), ms);
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      parent.removeEventListener("abort", onParent);
    },
  };
}

/** The promise's outcome, or the signal's reason if that aborts first. Whoever made the promise undoes its work. */
export function unlessStopped<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: result, resolve, reject } = Promise.withResolvers<T>();
  const onStop = (): void => reject(signal.reason);
  if (signal.aborted) onStop();
  signal.addEventListener("abort", onStop, { once: true });
  promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onStop));
  return result;
}

function asSshError(reason: unknown): SshError {
  if (reason instanceof SshError) return reason;
  return new SshError("failed", "the attempt was given up", "none is needed", { cause: reason });
}
