/**
 * Many small pieces of bytes in few large blocks. An object for each piece would take more time and
 * memory than its bytes do.
 *
 * @module
 */

/** The bytes of a block. A piece that is larger has a block of its own. */
const BLOCK_BYTES = 1 << 20;

/** Numbered pieces of bytes. Their numbers begin at 0. */
export class ByteBlocks {
  readonly #blocks: Uint8Array[] = [];
  #rooms = new Int32Array(1024); // how many bytes a piece may have where it is
  #blockOf = new Int32Array(1024);
  #offsets = new Int32Array(1024);
  #lengths = new Int32Array(1024);
  #block = -1; // the one that is being filled
  #filled = BLOCK_BYTES;

  /** Sets a piece to a copy of the bytes from `from` to `to`. */
  set(number: number, bytes: Uint8Array, from: number, to: number): void {
    if (number >= this.#lengths.length) this.#grow(number);
    const length = to - from;
    this.#lengths[number] = length;
    if (length === 0) return;
    if (length > this.#rooms[number]) this.#move(number, length);
    const block = this.#blocks[this.#blockOf[number]];
    const offset = this.#offsets[number];
    if (length === bytes.length) block.set(bytes, offset);
    else if (length > FEW) block.set(bytes.subarray(from, to), offset);
    else for (let i = 0; i < length; i++) block[offset + i] = bytes[from + i];
  }

  /** The length of a piece in bytes. */
  lengthOf(number: number): number {
    return this.#lengths[number];
  }

  /** Returns a view of a piece. It changes with the piece. */
  view(number: number): Uint8Array {
    const length = this.#lengths[number];
    if (length === 0) return NOTHING;
    const offset = this.#offsets[number];
    return this.#blocks[this.#blockOf[number]].subarray(offset, offset + length);
  }

  /** Calls `use` with the bytes that a piece is in, and where it begins and ends there. */
  use<R>(number: number, use: (bytes: Uint8Array, from: number, to: number) => R): R {
    const offset = this.#offsets[number];
    const block = this.#blocks[this.#blockOf[number]] ?? NOTHING;
    return use(block, offset, offset + this.#lengths[number]);
  }

  /** Whether a piece is the bytes from `from` to `to`. */
  is(number: number, bytes: Uint8Array, from: number, to: number): boolean {
    const length = to - from;
    if (this.#lengths[number] !== length) return false;
    const block = this.#blocks[this.#blockOf[number]];
    const offset = this.#offsets[number];
    for (let i = 0; i < length; i++) if (block[offset + i] !== bytes[from + i]) return false;
    return true;
  }

  #grow(number: number): void {
    const length = Math.max(2 * this.#lengths.length, number + 1);
    const grown = (from: Int32Array<ArrayBuffer>) => {
      const to = new Int32Array(length);
      to.set(from);
      return to;
    };
    this.#lengths = grown(this.#lengths);
    this.#rooms = grown(this.#rooms);
    this.#blockOf = grown(this.#blockOf);
    this.#offsets = grown(this.#offsets);
  }

  /** Moves a piece to a place with room for its bytes. The place before is lost. */
  #move(number: number, length: number): void {
    // One that grows again and again is to lose no more than it takes in the end.
    const room = Math.max(length, 2 * this.#rooms[number]);
    this.#rooms[number] = room;
    if (room > BLOCK_BYTES) {
      this.#blockOf[number] = this.#blocks.push(new Uint8Array(room)) - 1;
      this.#offsets[number] = 0;
      return;
    }
    if (this.#filled + room > BLOCK_BYTES) {
      this.#block = this.#blocks.push(new Uint8Array(BLOCK_BYTES)) - 1;
      this.#filled = 0;
    }
    this.#blockOf[number] = this.#block;
    this.#offsets[number] = this.#filled;
    this.#filled += room;
  }
}

/** So few bytes are copied faster one by one than with a view of them. */
const FEW = 32;

const NOTHING = new Uint8Array(0);
