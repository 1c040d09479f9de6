/** Most bytes of what stands before an answer: what login scripts print. */
const MAX_NOISE_BYTES = 1024 * 1024;
/** Of the last noise, kept to say why a shell did not start. */
const NOISE_KEPT_BYTES = 512;
/** Digits of an exit status. */
const MAX_TAIL_BYTES = 8;

const EMPTY = Buffer.alloc(0);

export type FrameState =
  | "open"
  /** The end has come; `status` and `bytes` are final. */
  | "done"
  /** More than the limit came; the rest was dropped. */
  | "over"
  /** Too much that is no answer, or an end that is none. */
  | "broken";

/**
 * One answer within a byte stream: what stands between `<marker>{` and `<marker>}<status>\n`, byte by byte. Chunks may
 * be cut anywhere. What is kept is bounded, whatever the other side sends.
 */
export class AnswerFrame {
  readonly #begin: Buffer;
  readonly #end: Buffer;
  readonly #pieces: Buffer[] = [];
  #carry = EMPTY;
  #noise = EMPTY;
  #noiseBytes = 0;
  #kept = 0;
  #began = false;
  #over = false;
  #state: FrameState = "open";
  #tail = "";

  /** `cut`: what is beyond the limit is dropped in silence. */
  constructor(
    marker: string,
    private readonly limit: number,
    private readonly cut = false,
  ) {
    this.#begin = Buffer.from(`${marker}{`);
    this.#end = Buffer.from(`${marker}}`);
  }

  get state(): FrameState {
    return this.#over && !this.cut ? "over" : this.#state;
  }

  /** What stood behind the end. */
  get tail(): string {
    return this.#tail;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** The last of what came before the answer. */
  get noise(): string {
    return this.#noise.toString("utf8");
  }

  push(chunk: Buffer): FrameState {
    if (this.#state !== "open") return this.state;
    const data = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = EMPTY;
    if (this.#began) this.#inside(data);
    else this.#before(data);
    return this.state;
  }

  #before(data: Buffer): void {
    const at = data.indexOf(this.#begin);
    if (at >= 0) {
      this.#began = true;
      this.#inside(data.subarray(at + this.#begin.length));
      return;
    }
    this.#noise = Buffer.concat([this.#noise, data]).subarray(-NOISE_KEPT_BYTES);
    const kept = Math.min(data.length, this.#begin.length - 1);
    this.#carry = Buffer.from(data.subarray(data.length - kept));
    this.#noiseBytes += data.length - kept;
    if (this.#noiseBytes > MAX_NOISE_BYTES) this.#state = "broken";
  }

  #inside(data: Buffer): void {
    const at = data.indexOf(this.#end);
    if (at < 0) {
      const kept = Math.min(data.length, this.#end.length - 1);
      this.#take(data.subarray(0, data.length - kept));
      this.#carry = Buffer.from(data.subarray(data.length - kept));
      return;
    }
    this.#take(data.subarray(0, at));
    const from = at + this.#end.length;
    const lineEnd = data.indexOf(0x0a, from);
    if (lineEnd >= 0) {
      this.#tail = data.toString("latin1", from, Math.min(lineEnd, from + MAX_TAIL_BYTES));
      this.#state = "done";
    } else if (data.length - from > MAX_TAIL_BYTES) this.#state = "broken";
    else this.#carry = Buffer.from(data.subarray(at));
  }

  #take(data: Buffer): void {
    const room = this.limit - this.#kept;
    if (data.length > room) this.#over = true;
    const taken = data.subarray(0, room);
    if (taken.length > 0) this.#pieces.push(taken);
    this.#kept += taken.length;
  }
}
