import { assertEquals } from "@std/assert";
import {
  findCycles,
  findProblems,
  type Import,
  missingFolders,
  readInfo,
} from "../../tools/check_imports.ts";

/** `"core/ids.ts > graph/graph.ts"`: both in `src` unless the path says otherwise. */
function imports(...arrows: string[]): Import[] {
  const inSrc = (path: string) =>
    /^(\w+:|\.\/|mod\.ts$|cli\.ts$)/.test(path) ? path : `src/${path}`;
  return arrows.map((arrow) => {
    const [from, to] = arrow.split(" > ").map(inSrc);
    return { from, to, line: 3 };
  });
}

function problems(...arrows: string[]): string[] {
  const edges = imports(...arrows);
  return findProblems([...new Set(edges.map(({ from }) => from))], edges);
}

Deno.test("findProblems() finds none when all imports point the right way", () => {
  assertEquals(
    problems(
      "graph/graph.ts > core/ids.ts",
      "graph/graph.ts > graph/nodes.ts",
      "operators/map.ts > windows/tumbling.ts",
      "dataflow/dataflow.ts > operators/map.ts",
      "connectors/kafka/read/source.ts > connectors/kafka/wire/fetch.ts",
      "connectors/kafka/read/source.ts > graph/contracts.ts",
      "connectors/kafka/client/kafkajs.ts > npm:kafkajs@2.2.4",
      "recovery/sqlite/store.ts > node:sqlite",
      "runtime/worker.ts > recovery/store.ts",
      "cli/run.ts > runtime/worker.ts",
    ),
    [],
  );
});

Deno.test("findProblems() names file, line and rule of an import that points the wrong way", () => {
  assertEquals(problems("core/ids.ts > graph/nodes.ts"), [
    "src/core/ids.ts:3: imports src/graph/nodes.ts, but core may import nothing of ours besides itself",
  ]);
  assertEquals(problems("windows/session.ts > graph/nodes.ts"), [
    "src/windows/session.ts:3: imports src/graph/nodes.ts, but windows may import only core besides itself",
  ]);
  assertEquals(problems("runtime/worker.ts > connectors/std/output.ts").length, 1);
});

Deno.test("findProblems() keeps connectors apart from each other", () => {
  assertEquals(problems("connectors/files/csv.ts > connectors/std/lines.ts"), [
    "src/connectors/files/csv.ts:3: imports src/connectors/std/lines.ts, " +
    "but connectors/files may import only core, graph besides itself",
  ]);
  assertEquals(problems("connectors/files/csv.ts > connectors/shared.ts").length, 1);
});

Deno.test("findProblems() lets the Kafka recovery store import what it is made of, and no more", () => {
  assertEquals(
    problems(
      "connectors/kafka_recovery/store.ts > connectors/kafka/client/connection.ts",
      "connectors/kafka_recovery/store.ts > recovery/store.ts",
      "cli/recovery.ts > connectors/kafka_recovery/kafka_recovery.ts",
    ),
    [],
  );
  assertEquals(problems("connectors/kafka_recovery/store.ts > runtime/run.ts").length, 1);
  assertEquals(problems("connectors/kafka/write/sink.ts > recovery/store.ts").length, 1);
  assertEquals(problems("cli/recovery.ts > connectors/kafka/write/sink.ts").length, 1);
});

Deno.test("findProblems() keeps the rooms of the Kafka connector in order", () => {
  assertEquals(
    problems(
      "connectors/kafka/kafka_input.ts > connectors/kafka/read/source.ts",
      "connectors/kafka/read/fetcher.ts > connectors/kafka/client/connection.ts",
      "connectors/kafka/write/headers.ts > connectors/kafka/output_item.ts",
      "connectors/kafka/client/kafkajs.ts > connectors/kafka/properties/input_settings.ts",
      "connectors/kafka/wire/write_batch.ts > connectors/kafka/compression/compression.ts",
      "connectors/kafka_recovery/store.ts > connectors/kafka/read/waiting_batch.ts",
    ),
    [],
  );
  assertEquals(
    problems(
      "connectors/kafka/wire/fetch.ts > connectors/kafka/client/kafkajs.ts",
      "connectors/kafka/compression/lz4.ts > connectors/kafka/wire/damage.ts",
      "connectors/kafka/read/source.ts > connectors/kafka/write/sink.ts",
      "connectors/kafka/write/sink.ts > connectors/kafka/kafka_output.ts",
    ),
    [
      "src/connectors/kafka/wire/fetch.ts:3: imports src/connectors/kafka/client/kafkajs.ts, but " +
      "connectors/kafka/wire may import only connectors/kafka/compression, " +
      "connectors/kafka/properties besides itself",
      "src/connectors/kafka/compression/lz4.ts:3: imports src/connectors/kafka/wire/damage.ts, but " +
      "connectors/kafka/compression may import nothing of its connector besides itself",
      "src/connectors/kafka/read/source.ts:3: imports src/connectors/kafka/write/sink.ts, but " +
      "connectors/kafka/read may import only connectors/kafka/client, connectors/kafka/compression, " +
      "connectors/kafka/properties, connectors/kafka/wire besides itself",
      "src/connectors/kafka/write/sink.ts:3: imports src/connectors/kafka/kafka_output.ts, but " +
      "connectors/kafka/write may import only connectors/kafka/client, connectors/kafka/compression, " +
      "connectors/kafka/properties, connectors/kafka/transactions, connectors/kafka/wire, connectors/kafka/message.ts, " +
      "connectors/kafka/output_item.ts besides itself",
    ],
  );
  assertEquals(problems("connectors/kafka/util/x.ts > core/ids.ts"), [
    "src/connectors/kafka/util/x.ts: not in a folder that the table in tools/check_imports.ts knows",
  ]);
});

Deno.test("findProblems() keeps a run apart from the processes that its workers may run in", () => {
  assertEquals(
    problems(
      "runtime/process/coordinator.ts > runtime/run/conductor.ts",
      "runtime/run.ts > runtime/run/memory_run.ts",
      "runtime/run/worker_session.ts > runtime/worker.ts",
      "runtime/run/memory_run.ts > runtime/exchange/mesh.ts",
    ),
    [],
  );
  assertEquals(problems("runtime/run/conductor.ts > runtime/process/protocol.ts"), [
    "src/runtime/run/conductor.ts:3: imports src/runtime/process/protocol.ts, " +
    "but runtime/run must do without runtime/process",
  ]);
  assertEquals(problems("runtime/tasks/task.ts > runtime/run/messages.ts").length, 1);
  assertEquals(problems("runtime/exchange/mesh.ts > runtime/process/spawn.ts").length, 1);
});

Deno.test("findProblems() lets tasks import activity, and not the other way round", () => {
  assertEquals(problems("runtime/tasks/merge_task.ts > runtime/activity/activity.ts"), []);
  assertEquals(problems("runtime/activity/quiet_time.ts > runtime/tasks/task.ts").length, 1);
});

Deno.test("findProblems() lets tasks import keyed state, and not the other way round", () => {
  assertEquals(problems("runtime/tasks/stateful_task.ts > runtime/keyed/keyed_loop.ts"), []);
  assertEquals(problems("runtime/keyed/keyed_loop.ts > runtime/tasks/task.ts"), [
    "src/runtime/keyed/keyed_loop.ts:3: imports src/runtime/tasks/task.ts, " +
    "but runtime/keyed must do without runtime/tasks",
  ]);
  assertEquals(problems("runtime/keyed/fused.ts > runtime/exchange/router.ts").length, 1);
});

Deno.test("findProblems() keeps src apart from the entry points and from what is outside", () => {
  assertEquals(problems("cli/run.ts > mod.ts", "cli/run.ts > cli.ts", "cli/run.ts > ./x.ts"), [
    "src/cli/run.ts:3: imports mod.ts, but src must do without it",
    "src/cli/run.ts:3: imports cli.ts, but src must do without it",
    "src/cli/run.ts:3: imports ./x.ts, but src must do without it",
  ]);
});

Deno.test("findProblems() leaves KafkaJS to one room of the Kafka connector, deep imports of it too", () => {
  const message = "imports kafkajs, which only src/connectors/kafka/client may";
  assertEquals(
    problems(
      "recovery/kafka/store.ts > npm:kafkajs@2.2.4",
      "connectors/kafka/wire/fetch.ts > npm:kafkajs@2.2.4",
      "connectors/std/input.ts > npm:/kafkajs@2.2.4/src/index.js",
      "cli/main.ts > npm:kafkajs-snappy@1.1.0",
    ),
    [
      `src/recovery/kafka/store.ts:3: ${message}`,
      `src/connectors/kafka/wire/fetch.ts:3: ${message}`,
      `src/connectors/std/input.ts:3: ${message}`,
    ],
  );
});

Deno.test("findProblems() leaves packages to the command and to Kafka's connector", () => {
  const message = "but a flow must load in a project that lacks our packages";
  assertEquals(
    problems(
      "core/options.ts > npm:deno-std@1.4.0/text/closest_string.js",
      "runtime/run.ts > jsr:@std/jsonc@1",
      "cli/arguments.ts > npm:deno-std@1.4.0/cli/parse_args.js",
      "connectors/kafka/compression/lz4.ts > npm:lz4js@0.2.0",
      "core/ids.ts > node:path",
    ),
    [
      `src/core/options.ts:3: imports npm:deno-std@1.4.0/text/closest_string.js, ${message}`,
      `src/runtime/run.ts:3: imports jsr:@std/jsonc@1, ${message}`,
    ],
  );
});

Deno.test("findProblems() refuses folders that are not in the table, and files in none", () => {
  const unknown = "not in a folder that the table in tools/check_imports.ts knows";
  assertEquals(problems("utils/array.ts > core/ids.ts", "loose.ts > core/ids.ts"), [
    `src/utils/array.ts: ${unknown}`,
    `src/loose.ts: ${unknown}`,
  ]);
});

Deno.test("missingFolders() names each folder of the tables that has no files", () => {
  const files = ["src/core/ids.ts", "src/runtime/run/conductor.ts", "src/observer/log.ts"];
  assertEquals(missingFolders(files, ["core", "runtime", "runtime/run", "observe"]), [
    "src/observe: has no files, but the tables in tools/check_imports.ts name it: " +
    "correct the name or remove it",
  ]);
});

Deno.test("missingFolders() looks for the folders of every table, once each", () => {
  const folders = missingFolders([]).map((problem) => problem.split(":")[0]);
  assertEquals(new Set(folders).size, folders.length);
  // As a layer, as what a layer may import, as an exception, and as what must keep apart.
  for (
    const folder of [
      "cli",
      "connectors/kafka",
      "connectors/kafka_recovery",
      "runtime/run",
      "runtime/process",
    ]
  ) assertEquals(folders.includes(`src/${folder}`), true, folder);
});

Deno.test("findProblems() prints a circle of files within one folder", () => {
  assertEquals(
    problems(
      "core/start.ts > core/a.ts",
      "core/a.ts > core/b.ts",
      "core/b.ts > core/c.ts",
      "core/c.ts > core/a.ts",
    ),
    ["src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts: imports in a circle"],
  );
});

Deno.test("findCycles() tells a circle from two ways to the same file", () => {
  assertEquals(findCycles(imports("a > b", "a > c", "b > d", "c > d")), []);
  assertEquals(findCycles(imports("a > a")), [["src/a", "src/a"]]);
  assertEquals(findCycles(imports("a > b", "b > a", "c > d", "d > c", "d > c")).length, 2);
});

Deno.test("readInfo() takes code and type imports of src, and what Deno could not read", () => {
  const at = (line: number) => ({ span: { start: { line } } });
  const file = (path: string) => `file:///repo/${path}`;
  const info = {
    modules: [
      {
        specifier: file("src/core/a.ts"),
        dependencies: [
          { code: { specifier: file("src/core/b.ts"), ...at(0) } },
          { type: { specifier: file("src/x.ts"), ...at(1) } },
          { code: { specifier: "npm:kafkajs@2.2.4", ...at(2) } },
          { code: { error: "not in the import map", ...at(3) } },
        ],
      },
      { specifier: file("src/core/b.ts"), error: "SyntaxError: Expected ';'\n  |" },
      {
        specifier: file("mod.ts"),
        dependencies: [{ code: { specifier: file("src/core/a.ts"), ...at(0) } }],
      },
    ],
  };
  assertEquals(readInfo(new URL("file:///repo/"), info), {
    imports: [
      { from: "src/core/a.ts", to: "src/core/b.ts", line: 1 },
      { from: "src/core/a.ts", to: "src/x.ts", line: 2 },
      { from: "src/core/a.ts", to: "npm:kafkajs@2.2.4", line: 3 },
    ],
    broken: [
      "src/core/a.ts:4: not in the import map",
      "src/core/b.ts: SyntaxError: Expected ';'",
    ],
  });
});
