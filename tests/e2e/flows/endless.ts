/** Flows that run until they are stopped. Each prints the pid of its worker on stdout. */
import {
  Dataflow,
  FileOutputConfig,
  ManualInputConfig,
  ManualOutputConfig,
  StdOutputConfig,
} from "millrace";

/** 1, 2, 3 and so on. Prints on stderr how far it got. */
const counting = new ManualInputConfig<number>(function* () {
  let n = 0;
  try {
    for (;;) yield [null, ++n];
  } finally {
    console.error(`closed after ${n}`);
  }
});

export function counts(): Dataflow<number> {
  console.log(`pid ${Deno.pid}`);
  return new Dataflow("counts").input("counting", counting).capture(new StdOutputConfig());
}

/** Numbers that can be taken only once. Prints which it has taken, as `counts` does. */
export function takes(): Dataflow<number> {
  console.log(`pid ${Deno.pid}`);
  const input = new ManualInputConfig<number>(async function* () {
    let n = 0;
    try {
      for (;;) {
        n++;
        if (n % 1_000 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        yield [null, n];
      }
    } finally {
      console.error(`closed after ${n}`);
    }
  });
  return new Dataflow("takes").input("queue", input).capture(new StdOutputConfig());
}

export function idles(): Dataflow<string> {
  const input = new ManualInputConfig<string>(async function* () {
    yield [null, `pid ${Deno.pid}`];
    await new Promise(() => {});
  });
  return new Dataflow("idles").input("silence", input).capture(new StdOutputConfig());
}

/** Works on its only item for a while. */
export function lingers(): Dataflow<string> {
  const input = new ManualInputConfig<string>(async function* () {
    yield [null, "done"];
    await new Promise(() => {});
  });
  return new Dataflow("lingers")
    .input("one", input)
    .mapAsync(async (item) => {
      console.log("begun");
      await new Promise((resolve) => setTimeout(resolve, 700));
      return item;
    })
    .capture(new StdOutputConfig());
}

/** Writes numbers to the file `out`, and how many were read to the file `closed`. */
export function writes([out, closed]: readonly string[]): Dataflow<string> {
  const input = new ManualInputConfig<string>(function* () {
    let n = 0;
    try {
      for (;;) yield [null, String(++n)];
    } finally {
      Deno.writeTextFileSync(closed, String(n));
    }
  });
  return new Dataflow("writes").input("numbers", input).capture(
    new FileOutputConfig({ path: out }),
  );
}

/** Its output never finishes with the first item. */
export function hangs(): Dataflow<number> {
  const output = new ManualOutputConfig<number>(() => () => {
    console.log(`pid ${Deno.pid}`);
    return new Promise(() => {});
  });
  return new Dataflow("hangs").input("counting", counting).capture(output);
}

/** Never yields to the event loop. */
export function spins(): Dataflow<number> {
  return new Dataflow("spins")
    .input("counting", counting)
    .inspect(() => {
      console.log(`pid ${Deno.pid}`);
      for (;;);
    })
    .capture(new StdOutputConfig());
}

/** Never becomes a flow. */
export function loads(): Promise<Dataflow<number>> {
  console.log(`pid ${Deno.pid}`);
  return new Promise(() => {});
}
