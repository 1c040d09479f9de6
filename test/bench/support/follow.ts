import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Agtmux, WatchRequestSchema, WatchResponse } from "../../../src/client/index.js";
import type { Resources } from "./resources.js";

/**
 * Follows one stream through the client library. Resolves with the first message; `onMessage` is called for each, that
 * one included. It ends with the row; if it breaks before, whoever waits for its messages finds them missing.
 */
export function follow(
  client: Agtmux,
  resources: Resources,
  request: MessageInitShape<typeof WatchRequestSchema>,
  onMessage: (message: WatchResponse) => void,
): Promise<WatchResponse> {
  const stream = new AbortController();
  resources.add(() => stream.abort());
  const { promise, resolve, reject } = Promise.withResolvers<WatchResponse>();
  const read = async (): Promise<void> => {
    for await (const message of client.state.watch(request, { signal: stream.signal, timeoutMs: 0 })) {
      onMessage(message);
      resolve(message);
    }
    throw new Error("the stream ended");
  };
  read().catch((error: unknown) => {
    if (!stream.signal.aborted) process.stderr.write(`a stream broke: ${String(error)}\n`);
    reject(error);
  });
  return promise;
}
