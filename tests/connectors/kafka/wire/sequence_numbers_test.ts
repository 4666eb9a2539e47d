import { assertEquals } from "@std/assert";
import {
  sequenceAfter,
  SequenceNumbers,
} from "../../../../src/connectors/kafka/wire/sequence_numbers.ts";

Deno.test("sequence numbers count for each partition, and start again after the largest", () => {
  const numbers = new SequenceNumbers<string>();
  assertEquals(numbers.next("a-0"), 0);
  numbers.advance("a-0", 2 ** 31 - 1);
  assertEquals([numbers.next("a-0"), numbers.next("a-1")], [2 ** 31 - 1, 0]);
  numbers.advance("a-0", 3);
  assertEquals(numbers.next("a-0"), 2);
  assertEquals(sequenceAfter(2 ** 31 - 2, 2), 0);
});
