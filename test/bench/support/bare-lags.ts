import { bareCall, bareStream, framed } from "./bare-call.js";
import { startBareServer } from "./bare-host.js";
import { openLoop } from "./pacing.js";
import type { RowContext } from "./row.js";

/** About as long as a delta with one pane. */
const MESSAGE_BYTES = 800;

/**
 * Milliseconds from a bare call to each of `readers` bare streams that its body is written to, at `perSecond` calls a
 * second over `durationMs`.
 */
export async function bareLags(
  context: RowContext,
  readers: number,
  perSecond: number,
  durationMs: number,
): Promise<number[]> {
  const socket = await startBareServer(context);
  const lags: number[] = [];
  const onMessage = (message: Buffer): void => void lags.push(performance.now() - message.readDoubleBE(0));
  const onEnd = (error: Error): void => void process.stderr.write(`a bare stream broke: ${error.message}\n`);
  for (let at = 0; at < readers; at++) {
    const stream = await bareStream(socket, "/stream", new Uint8Array(), onMessage, onEnd);
    context.resources.add(() => stream.close());
  }
  await openLoop(perSecond, durationMs, async () => {
    const message = Buffer.alloc(MESSAGE_BYTES);
    message.writeDoubleBE(performance.now(), 0);
    await bareCall(socket, "/publish", framed(message));
  });
  return lags;
}
