import { type ClientRequest, request } from "node:http";
import { connect } from "node:net";

/** Head of a streamed message in the Connect protocol: a byte of flags, four of length. */
const HEAD_BYTES = 5;

function post(socket: string, path: string, type: string, body: Uint8Array): ClientRequest {
  // A connection per call, as the client library and hooks do.
  const createConnection = () => connect({ path: socket });
  const headers = { "content-type": type, "content-length": body.length };
  const call = request({ createConnection, method: "POST", path, headers });
  call.end(body);
  return call;
}

/** One call over a socket with nothing but node:http. Rejects unless it is answered with 200. */
export function bareCall(socket: string, path: string, body: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = post(socket, path, "application/json", body);
    call.on("error", reject);
    call.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`${path} answered ${response.statusCode}`));
      });
    });
  });
}

/** A message in a stream's frame. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEAD_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/** An open stream that hands every message on undecoded: a hundred readers must not cost more than what they read. */
export interface BareStream {
  close(): void;
}

/** Opens a stream; resolves when it is answered. `onEnd` is told why it broke, unless it was closed here. */
export function bareStream(
  socket: string,
  path: string,
  body: Uint8Array,
  onMessage: (message: Buffer) => void,
  onEnd: (error: Error) => void,
): Promise<BareStream> {
  return new Promise((resolve, reject) => {
    const call = post(socket, path, "application/connect+proto", framed(body));
    let closed = false;
    const broke = (error: Error): void => {
      reject(error);
      if (!closed) onEnd(error);
    };
    call.on("error", broke);
    call.on("response", (response) => {
      let left: Buffer = Buffer.alloc(0);
      response.on("data", (chunk: Buffer) => {
        left = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
        while (left.length >= HEAD_BYTES) {
          const end = HEAD_BYTES + left.readUInt32BE(1);
          if (left.length < end) break;
          onMessage(left.subarray(HEAD_BYTES, end));
          left = left.subarray(end);
        }
      });
      response.on("error", broke);
      response.on("end", () => broke(new Error("the stream ended")));
      const close = (): void => {
        closed = true;
        call.destroy();
      };
      resolve({ close });
    });
  });
}
