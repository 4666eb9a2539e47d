/**
 * The inner loop of `crc32c_fold.ts` in WebAssembly, as JavaScript has no XOR of 16 bytes at a
 * time. The module is assembled here, instruction by instruction. In the text format it is
 *
 * ```text
 * (import "" "memory" (memory 1))
 * (func (export "pass") (param $at i32) (param $end i32) (param $from i32) (param $to i32)
 *   (local.set $at (i32.sub (local.get $at) (i32.const REACH)))
 *   (local.set $end (i32.sub (local.get $end) (i32.const REACH)))
 *   (loop
 *     ;; for each OFFSET of 0, 16, 32 and 48
 *     (v128.store offset=OFFSET (local.get $to)
 *       (v128.xor ;; once for each DISTANCE
 *         (v128.load offset=OFFSET (local.get $from))
 *         (v128.load offset=OFFSET+REACH-DISTANCE (local.get $at))))
 *     ;; $at, $from and $to each
 *     (local.set $at (i32.add (local.get $at) (i32.const 64)))
 *     (br_if 0 (i32.lt_u (local.get $at) (local.get $end)))))
 * ```
 *
 * @module
 */

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // "\0asm", version 1

// Section numbers, in their order.
const TYPES = 1;
const IMPORTS = 2;
const FUNCTIONS = 3;
const EXPORTS = 7;
const CODE = 10;

const FUNCTION = 0x60;
const I32 = 0x7f;
const NO_RESULT = 0x40;

// Instructions.
const LOOP = 0x03;
const END = 0x0b;
const BR_IF = 0x0d;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const I32_CONST = 0x41;
const I32_LESS = 0x49;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const V128_LOAD = [0xfd, 0x00];
const V128_STORE = [0xfd, 0x0b];
const V128_XOR = [0xfd, 0x51];
const UNALIGNED = 0;

/** The function's parameters. */
const [AT, LAST, FROM, TO] = [0, 1, 2, 3];

/** Bytes of a vector, and of one iteration of the loop. */
const VECTOR = 16;
const STEP = 64;

/** The module for these distances, in bytes. The largest comes last. */
export function foldModule(distances: readonly number[]): WebAssembly.Module {
  const reach = distances[distances.length - 1];
  const iteration: number[] = [];
  for (let offset = 0; offset < STEP; offset += VECTOR) {
    iteration.push(LOCAL_GET, TO, ...load(FROM, offset));
    for (const distance of distances) {
      iteration.push(...load(AT, offset + reach - distance), ...V128_XOR);
    }
    iteration.push(...V128_STORE, UNALIGNED, ...unsigned(offset));
  }
  const code = [
    ...[AT, LAST].flatMap((local) => change(local, I32_SUB, reach)),
    ...[LOOP, NO_RESULT],
    ...iteration,
    ...[AT, FROM, TO].flatMap((local) => change(local, I32_ADD, STEP)),
    ...[LOCAL_GET, AT, LOCAL_GET, LAST, I32_LESS, BR_IF, 0],
    ...[END, END],
  ];
  return new WebAssembly.Module(Uint8Array.from([
    ...HEADER,
    ...section(TYPES, [FUNCTION, ...counted([I32, I32, I32, I32]), ...counted([])]),
    ...section(IMPORTS, [...text(""), ...text("memory"), /* a memory */ 2, /* no maximum */ 0, 1]),
    ...section(FUNCTIONS, [/* of type */ 0]),
    ...section(EXPORTS, [...text("pass"), /* a function */ 0, /* number */ 0]),
    ...section(CODE, counted([/* no more locals */ 0, ...code])),
  ]));
}

function load(local: number, offset: number): number[] {
  return [LOCAL_GET, local, ...V128_LOAD, UNALIGNED, ...unsigned(offset)];
}

/** Adds a number to a local, or subtracts it. */
function change(local: number, how: number, by: number): number[] {
  return [LOCAL_GET, local, I32_CONST, ...signed(by), how, LOCAL_SET, local];
}

/** A section of one entry. */
function section(number: number, entry: readonly number[]): number[] {
  return [number, ...counted([1, ...entry])];
}

/** Bytes after their number. */
function counted(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function text(ascii: string): number[] {
  return counted([...new TextEncoder().encode(ascii)]);
}

/** LEB128: 7 bits in each byte, the lowest first. The high bit means that more follow. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...unsigned(value >>> 7)];
}

/** The same for a number that may be negative. The second bit of the last byte is the sign. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [value & 0x7f | 0x80, ...signed(value >>> 7)];
}
