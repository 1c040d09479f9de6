import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Bytes of rows that are packed together. */
const BLOCK_BYTES = 64 * 1024;
/** Unpacked blocks that a reader keeps at hand. */
const UNPACKED = 4;

/** Rows of one time, packed: rows differ from one another in a few bytes. */
interface Block {
  /** Number of its first row. */
  readonly first: number;
  readonly packed: Uint8Array;
  /** Where each row ends in the unpacked bytes. */
  readonly ends: readonly number[];
}

/**
 * Holds encoded rows by number, in the order in which they came, at about a twentieth of their size. The oldest are let
 * go in bulk.
 */
export class RowArchive {
  /** Oldest first; without gaps, and the open rows come right behind. */
  readonly #blocks: Block[] = [];
  #openFirst = 0;
  #open: Uint8Array[] = [];
  #openBytes = 0;

  /** The number that the next row gets. */
  get next(): number {
    return this.#openFirst + this.#open.length;
  }

  /** The oldest row that is held. */
  get oldest(): number {
    return this.#blocks[0]?.first ?? this.#openFirst;
  }

  /** Bytes that it takes. */
  get held(): number {
    return this.#openBytes + this.#blocks.reduce((sum, { packed }) => sum + packed.length, 0);
  }

  put(bytes: Uint8Array): number {
    this.#open.push(bytes);
    this.#openBytes += bytes.length;
    const number = this.next - 1;
    if (this.#openBytes >= BLOCK_BYTES) this.#pack();
    return number;
  }

  /** Lets go of what is older than this row, or most of it. */
  dropBefore(number: number): void {
    const kept = this.#blocks.findIndex(
      (_, index) => (this.#blocks[index + 1]?.first ?? this.#openFirst) > number,
    );
    this.#blocks.splice(0, kept === -1 ? this.#blocks.length : kept);
  }

  /** Reads rows that are held; a reader keeps what it has unpacked, so one is good for one walk. */
  reader(): (number: number) => Uint8Array {
    const unpacked = new Map<Block, Uint8Array>();
    return (number) => {
      const open = this.#open[number - this.#openFirst];
      if (open !== undefined) return open;
      const block = this.#blocks[this.#blockOf(number)];
      if (block === undefined) throw new RangeError("the row is not held any more");
      let bytes = unpacked.get(block);
      if (bytes === undefined) {
        bytes = inflateRawSync(block.packed);
        unpacked.set(block, bytes);
        const [oldest] = unpacked.keys();
        if (unpacked.size > UNPACKED && oldest !== undefined) unpacked.delete(oldest);
      }
      const index = number - block.first;
      return bytes.subarray(block.ends[index - 1] ?? 0, block.ends[index]);
    };
  }

  /** The last block that begins at or before that row; -1 if none does. */
  #blockOf(number: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#blocks[middle]?.first ?? 0) <= number) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #pack(): void {
    let end = 0;
    const ends = this.#open.map((bytes) => {
      end += bytes.length;
      return end;
    });
    // A copy: the packer's own buffer is many times as large as what it holds.
    const packed = Uint8Array.from(deflateRawSync(Buffer.concat(this.#open), { level: 1 }));
    this.#blocks.push({ first: this.#openFirst, packed, ends });
    this.#openFirst = this.next;
    this.#open = [];
    this.#openBytes = 0;
  }
}
