import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Emit, StatefulLogic } from "../../src/graph/contracts.ts";
import { KeyedLogic, makeLogic, UserLogic, UserStep } from "../../src/graph/keyed_logic.ts";

const plain: StatefulLogic<number, number, null> = { onItem: () => {}, snapshot: () => null };

/** A built-in logic that handles neither the end nor a stop. */
class Built extends KeyedLogic<number, number, null> {
  override onItem(): void {}
  override snapshot(): null {
    return null;
  }
}

/** The same, which handles both. */
class Ended extends Built {
  override onEnd(): void {}
  override onStop(): void {}
}

Deno.test("makeLogic() keeps a built-in logic and wraps any other, each with its key", () => {
  const built = new Built();
  assertStrictEquals(makeLogic(built, "a", new UserStep()), built as KeyedLogic);
  assertEquals(built.key, "a");
  const wrapped = makeLogic(plain, "b", new UserStep());
  assertEquals([wrapped instanceof UserLogic, wrapped.key], [true, "b"]);
});

Deno.test("makeLogic() refuses what is not a logic", () => {
  for (const built of [undefined, null, {}, 5, { onItem: 1 }]) {
    assertThrows(
      () => makeLogic(built, "a", new UserStep()),
      TypeError,
      "build must return an object with onItem and snapshot; got",
    );
  }
  assertThrows(
    () => makeLogic(Promise.resolve(plain), "a", new UserStep()),
    TypeError,
    "build returned a promise, but stateful steps are synchronous: await in a mapAsync",
  );
});

Deno.test("a logic handles the end and a stop only if it has the method", () => {
  const of = (built: unknown) => {
    const { handlesEnd, handlesStop } = makeLogic(built, "a", new UserStep());
    return { handlesEnd, handlesStop };
  };
  assertEquals(of(new Built()), { handlesEnd: false, handlesStop: false });
  assertEquals(of(new Ended()), { handlesEnd: true, handlesStop: true });
  assertEquals(of(plain), { handlesEnd: false, handlesStop: false });
  assertEquals(of({ ...plain, onEnd: () => {} }), { handlesEnd: true, handlesStop: false });
  assertEquals(of({ ...plain, onStop: () => {} }), { handlesEnd: false, handlesStop: true });
});

Deno.test("a user's logic may go on changing what it emitted", () => {
  const list: number[] = [];
  const logic = makeLogic<number, number[], null>(
    {
      onItem(value: number, emit: Emit<number[]>) {
        list.push(value);
        emit(list);
      },
      snapshot: () => null,
    },
    "a",
    new UserStep(),
  );
  const out: number[][] = [];
  const emit = (value: number[]) => void out.push(value);
  logic.onItem(1, emit);
  logic.onItem(2, emit);
  assertEquals(out, [[1], [1, 2]]);
});

Deno.test("a user's time is moved by what the run's time was ahead when it was first given", () => {
  let ahead = 100;
  let at = new Date(1_000);
  const step = new UserStep(() => ahead);
  const logic = makeLogic({ ...plain, notifyAt: () => at }, "a", step);
  assertEquals(logic.notifyAt(), new Date(1_100));
  ahead = 50;
  assertEquals(logic.notifyAt(), new Date(1_100));
  at = new Date(2_000);
  assertEquals(logic.notifyAt(), new Date(2_050));
});
