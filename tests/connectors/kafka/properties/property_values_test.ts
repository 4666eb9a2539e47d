import { assertEquals } from "@std/assert";
import {
  choice,
  exactlyOneOf,
  flag,
  kibibytes,
  milliseconds,
  oneOf,
  only,
  path,
  pem,
  text,
  tokenCallback,
  type Values,
  whole,
} from "../../../../src/connectors/kafka/properties/property_values.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";
const NEVER = [undefined, null, {}, [], ["1"], 1n, Symbol("1"), new Date(), {
  toString: () => "1",
}];

function testValues<T>(
  name: string,
  values: Values<T>,
  expected: { takes: string; reads: readonly (readonly [unknown, T])[]; refuses: unknown[] },
): void {
  Deno.test(`${name} takes ${values.takes}, and nothing else`, () => {
    assertEquals(values.takes, expected.takes);
    for (const [raw, value] of expected.reads) assertEquals(values.read(raw), value);
    for (const raw of [...expected.refuses, ...NEVER]) {
      assertEquals(values.read(raw), undefined, Deno.inspect(raw));
    }
  });
}

testValues("text()", text(), {
  takes: "text",
  reads: [["a b", "a b"], [" ", " "], [7, "7"], [true, "true"], ["é\n", "é\n"]],
  refuses: ["", () => "a"],
});

testValues("path()", path(), {
  takes: "a path",
  reads: [["ca.pem", "ca.pem"], ["/a b/c", "/a b/c"]],
  refuses: ["", PEM, "a\0b"],
});

testValues("pem()", pem(), {
  takes: "PEM text",
  reads: [[PEM, PEM], [`text before\n${PEM}`, `text before\n${PEM}`]],
  refuses: ["", "/etc/ca.pem", "-----BEGIN CERTIFICATE-----\n", 7],
});

testValues("flag()", flag(), {
  takes: "true or false",
  reads: [["true", true], ["false", false], [true, true], [false, false]],
  refuses: ["", "TRUE", "True", "t", "yes", "on", 1, 0, "1", " true"],
});

testValues("whole()", whole("milliseconds", -1, 2_147_483_647), {
  takes: "whole milliseconds from -1 to 2147483647",
  reads: [["0", 0], [0, 0], [-0, 0], [-1, -1], ["12", 12], [2_147_483_647, 2_147_483_647]],
  // deno-fmt-ignore
  refuses: ["", " 1", "1 ", "1.0", 1.5, "1e3", 1e21, "0x10", "010", "00", "+1", "-2", -2, "1_000",
    2_147_483_648, "99999999999", NaN, Infinity, true, "١"],
});

testValues("whole() with a meaning of 0", whole("records", 0, 9, Infinity), {
  takes: "whole records from 0 to 9",
  reads: [["0", Infinity], [0, Infinity], [9, 9]],
  refuses: [-1, 10],
});

testValues("whole() without a unit", whole("", 1, 9), {
  takes: "a whole number from 1 to 9",
  reads: [[1, 1]],
  refuses: [0, 10],
});

testValues("kibibytes()", kibibytes(1, 2_147_483_647), {
  takes: "whole KiB from 1 to 2147483647",
  reads: [["1", 1024], [16_384, 16 << 20], [2_147_483_647, 2_147_483_647 * 1024]],
  refuses: [0, "0.5", 2_147_483_648],
});

testValues("milliseconds()", milliseconds(0, 900_000), {
  takes: "milliseconds from 0 to 900000, fractions too",
  reads: [[0, 0], ["0.5", 0.5], [0.25, 0.25], [900_000, 900_000], ["900000.0", 900_000]],
  refuses: [-1, "", ".5", "5.", "5ms", " 5", 900_000.1, 900_001, 1e21, 1e-7, NaN, Infinity, "01"],
});

testValues("oneOf()", oneOf("none", "gzip", "zstd"), {
  takes: "none, gzip or zstd",
  reads: [["gzip", "gzip"], ["GZIP", "gzip"], ["Zstd", "zstd"]],
  refuses: ["", "gzip ", "toString", 0, false],
});

testValues("choice()", choice([["all", "all"], ["-1", "all"], ["1", "leader"]]), {
  takes: "all, -1 or 1",
  reads: [["all", "all"], ["ALL", "all"], [-1, "all"], ["-1", "all"], [1, "leader"]],
  refuses: [0, 2, true, "leader", "01"],
});

testValues("exactlyOneOf()", exactlyOneOf("murmur2", "random"), {
  takes: "murmur2 or random",
  reads: [["murmur2", "murmur2"]],
  refuses: ["Murmur2", "RANDOM", ""],
});

testValues("only()", only("https", "the name is checked"), {
  takes: "only https (the name is checked)",
  reads: [["https", "https"]],
  refuses: ["none", "HTTPS", ""],
});

testValues("only() for a boolean or number", only("false", "there is none"), {
  takes: "only false (there is none)",
  reads: [["false", "false"], [false, "false"]],
  refuses: [true, 0],
});

const callback = () => "token";
testValues("tokenCallback()", tokenCallback(), {
  takes: "a function that returns a token as text or as { value: text }, or a promise of one",
  reads: [[callback, callback]],
  refuses: ["token", true],
});
