import { connect } from "node:net";

/** A head is due within 10 s and looked for every 5 s; some slack for a loaded machine. */
export const HEADERS_CUT_MS = 20_000;

export interface RawAnswer {
  /** 0 if nothing that looks like HTTP came. */
  readonly status: number;
  readonly body: string;
}

/** Sends bytes as they are and reads until the other side closes, or until a whole answer has come. */
export function exchange(socketPath: string, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const chunks: Buffer[] = [];
    const answer = (): RawAnswer => {
      const text = Buffer.concat(chunks).toString("utf8");
      const [head = "", ...rest] = text.split("\r\n\r\n");
      return {
        status: Number(/^HTTP\/1\.1 (\d{3})/u.exec(head)?.[1] ?? 0),
        body: body(head, rest.join("\r\n\r\n")),
      };
    };
    const whole = (): boolean => {
      const text = Buffer.concat(chunks).toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      const length = /content-length: (\d+)/iu.exec(text.slice(0, Math.max(0, end)))?.[1];
      return length !== undefined && text.length >= end + 4 + Number(length);
    };
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (whole()) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(answer()));
    socket.write(bytes);
  });
}

function body(head: string, rest: string): string {
  if (!/transfer-encoding: chunked/iu.test(head)) return rest;
  let text = "";
  let left = rest;
  for (;;) {
    const end = left.indexOf("\r\n");
    const size = Number.parseInt(left.slice(0, end), 16);
    if (end < 0 || !(size > 0)) return text;
    text += left.slice(end + 2, end + 2 + size);
    left = left.slice(end + 4 + size);
  }
}
