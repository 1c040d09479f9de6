import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { StreamResponse, Transport } from "@connectrpc/connect";
import { toAgtmuxError } from "./errors.js";

/** The same transport, whose calls reject with AgtmuxError: the contract's code, message, details, retryable. */
export function withTypedErrors(transport: Transport): Transport {
  return {
    unary: (...call) =>
      transport.unary(...call).catch((thrown: unknown) => {
        throw toAgtmuxError(thrown);
      }),
    stream: async <I extends DescMessage, O extends DescMessage>(
      ...call: Parameters<typeof transport.stream<I, O>>
    ): Promise<StreamResponse<I, O>> => {
      try {
        const answer = await transport.stream(...call);
        return { ...answer, message: typed<O>(answer.message) };
      } catch (thrown) {
        throw toAgtmuxError(thrown);
      }
    },
  };
}

async function* typed<O extends DescMessage>(
  messages: AsyncIterable<MessageShape<O>>,
): AsyncIterable<MessageShape<O>> {
  try {
    yield* messages;
  } catch (thrown) {
    throw toAgtmuxError(thrown);
  }
}
