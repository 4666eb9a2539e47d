/**
 * How values look as bytes: the tags and limits that the writer and the reader share.
 *
 * An encoded value, and a batch of them, starts with a version byte, {@linkcode VERSION}. In a
 * value by itself one value follows, in a batch values follow one after the other until the bytes
 * end. Every value starts with a tag byte:
 *
 * ```text
 * 00..7f  the integer 0 to 127
 * 80..bf  a string of 0 to 63 ASCII characters (tag − 80), the characters
 * c0..c7  an array of 0 to 7 elements (tag − c0), the elements
 * d0..df  an object of shape 0 to 15 (tag − d0), the values of the shape's keys in order
 * e0      undefined           e1  null          e2  false          e3  true
 * e4      nothing: stands for a part that an Error does not have
 * e5      int8                e6  int16         e7  int32          e8  float64
 * e9      bigint as int64
 * ea      bigint: varint (2 × bytes + 1 if negative), the magnitude's bytes
 * eb      string: varint length in bytes, UTF-8
 * ec      string: varint length in 16-bit units, UTF-16; for text with lone surrogates
 * ed      Uint8Array: varint length, the bytes
 * ee      array: varint length, the elements
 * ef      array with holes or named properties: varint length, varint count,
 *         then count times a key (a string) and its value
 * f0      object: varint shape, the values of the shape's keys in order
 * f1      object of a new shape, numbered from 0 on in the batch or value: varint count,
 *         the keys (strings), then the values of the keys in order
 * f2      object without shape: varint count, then count times a key (a string) and its value
 * f3      Map: varint count, then count times a key and its value
 * f4      Set: varint count, the values
 * f5      Date: float64, milliseconds since 1970, NaN if invalid
 * f6      other binary data: kind (place in BINARY_KINDS), varint length in bytes, the bytes
 * f7      RegExp: source and flags (strings)
 * f8      boxed primitive: the primitive
 * f9      Error: type (place in ERRORS), then message, stack and cause (values, or e4)
 * fa      graph: a value with cycles, or nested deeply, or large; see below
 * fb      in a graph: varint number of an object met before
 * fc      object without prototype: as f2
 * ```
 *
 * A varint has 7 bits a byte, lowest first. The high bit is set on all bytes but the last. There
 * are at most 5 bytes, and the last may be zero. All other numbers, those in typed arrays too, are
 * little-endian.
 *
 * In a graph, objects are numbered from 0 on in the order in which they appear. An array (ee, ef),
 * an object (f2, fc), a Map, a Set and an Error (with its type) appear as the tag alone. Their
 * contents follow after the value, in the order of their numbers and without the tag. There,
 * further objects appear. All other objects (Uint8Array, Date, ...) appear as a whole.
 *
 * What has been written must stay readable: a change of this format needs a new version, and a
 * reader of both. A new tag does not: older readers refuse that tag, and nothing else.
 *
 * @module
 */

/** The first byte of encoded values. */
export const VERSION = 1;

// Tags are compared in the hottest code there is. So they are constants here, and literals only in
// generated code.
export const ASCII = 0x80;
export const ARRAY = 0xc0;
export const SHAPE = 0xd0;
export const UNDEFINED = 0xe0;
export const NULL = 0xe1;
export const FALSE = 0xe2;
export const TRUE = 0xe3;
export const NOTHING = 0xe4;
export const INT8 = 0xe5;
export const INT16 = 0xe6;
export const INT32 = 0xe7;
export const FLOAT64 = 0xe8;
export const BIGINT64 = 0xe9;
export const BIGINT = 0xea;
export const UTF8 = 0xeb;
export const UTF16 = 0xec;
export const BYTES = 0xed;
export const LONG_ARRAY = 0xee;
export const KEYED_ARRAY = 0xef;
export const LONG_SHAPE = 0xf0;
export const NEW_SHAPE = 0xf1;
export const OBJECT = 0xf2;
export const MAP = 0xf3;
export const SET = 0xf4;
export const DATE = 0xf5;
export const BINARY = 0xf6;
export const REGEXP = 0xf7;
export const BOXED = 0xf8;
export const ERROR = 0xf9;
export const GRAPH = 0xfa;
export const REFERENCE = 0xfb;
export const BARE_OBJECT = 0xfc;

/** The tag holds the number of elements of an array up to this one. */
export const MOST_IN_TAG = 7;
/** Strings up to this many characters have their length in the tag. */
export const SHORT = 63;
/** The tag holds the number of a shape below this one. */
export const SHAPES_IN_TAG = 16;

/**
 * Shapes that a batch may have. Objects used as dictionaries have a shape each; those past the
 * limit are written with their keys.
 */
export const MOST_SHAPES = 256;
/** Keys that a shape may have. */
export const MOST_KEYS = 48;

/** Values are written as trees to this depth of nesting, and deeper ones as graphs. */
export const MOST_DEPTH = 64;

/** Binary data other than Uint8Array, by the kind that is written. Only ever add at the end. */
export const BINARY_KINDS = [
  ArrayBuffer,
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array,
] as const;

/** Errors by the type that is written. Only ever add at the end. */
export const ERRORS = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
] as const;
