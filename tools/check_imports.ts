/**
 * Checks the imports in `src`: none may point to a higher layer or close a circle. It also fails if
 * a rule names a folder that does not exist.
 *
 * To understand a file, one reads what it imports. That only works if imports never lead back to
 * where one started. Imports of types count like those of code, because types have to be read too.
 *
 * Deno itself says which file imports which (`deno info`). A search of our own in the text would
 * stumble over the imports in doc examples.
 */

import { type DenoInfo, denoInfo, listFiles } from "./deno_info.ts";

/** What the files of a folder in `src` may import of ours, besides each other. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  client: [],
  graph: ["core"],
  windows: ["core"],
  operators: ["core", "graph", "windows"],
  dataflow: ["core", "graph", "windows", "operators"],
  connectors: ["core", "graph"],
  recovery: ["core"],
  group: ["core", "graph", "recovery"],
  ops: ["core", "graph"],
  runtime: ["core", "graph", "operators", "ops", "recovery", "group"],
  cli: [
    "core",
    "graph",
    "ops",
    "runtime",
    "recovery",
    "group",
    "dataflow",
    "connectors/kafka_recovery",
    "connectors/kafka_tasks",
  ],
};

/** What single folders may import in addition: stores that are made of a connector. */
const EXTRA: Readonly<Record<string, readonly string[]>> = {
  "connectors/kafka_recovery": ["recovery", "connectors/kafka"],
  "connectors/kafka_tasks": ["recovery", "group", "connectors/kafka"],
  "connectors/kafka": ["group"],
};

/**
 * Folders inside a layer that must not import some others of the same layer. A run does not depend
 * on where its workers run. Tasks and the exchange between workers do not depend on runs or
 * processes. Keyed state and the protocol of activity do not know what runs them.
 */
const APART: Readonly<Record<string, readonly string[]>> = {
  "runtime/run": ["runtime/process"],
  "runtime/tasks": ["runtime/process", "runtime/run"],
  "runtime/exchange": ["runtime/process", "runtime/run"],
  "runtime/keyed": ["runtime/process", "runtime/run", "runtime/tasks", "runtime/exchange"],
  "runtime/activity": ["runtime/process", "runtime/run", "runtime/tasks", "runtime/exchange"],
};

/**
 * The rooms of connectors that have some. The files of a room may import each other, the rooms that
 * are listed here, and the listed files at the top. Files at the top may import all rooms.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "connectors/kafka/properties": [],
  "connectors/kafka/compression": [],
  "connectors/kafka/wire": ["connectors/kafka/compression", "connectors/kafka/properties"],
  "connectors/kafka/client": [
    "connectors/kafka/compression",
    "connectors/kafka/properties",
    "connectors/kafka/wire",
  ],
  "connectors/kafka/read": [
    "connectors/kafka/client",
    "connectors/kafka/compression",
    "connectors/kafka/properties",
    "connectors/kafka/wire",
  ],
  "connectors/kafka/group": [
    "connectors/kafka/client",
    "connectors/kafka/properties",
    "connectors/kafka/wire",
  ],
  "connectors/kafka/transactions": ["connectors/kafka/client", "connectors/kafka/wire"],
  "connectors/kafka/write": [
    "connectors/kafka/client",
    "connectors/kafka/compression",
    "connectors/kafka/properties",
    "connectors/kafka/transactions",
    "connectors/kafka/wire",
    "connectors/kafka/message.ts",
    "connectors/kafka/output_item.ts",
  ],
};

/** The one room whose files may import KafkaJS: users without Kafka must never have to load it. */
const KAFKAJS_ROOM = "connectors/kafka/client";

/**
 * The folders whose files may import packages. The command has our own configuration, and Kafka is
 * loaded only when a flow opens it. Everything else is loaded with `mod.ts` in the user's project,
 * whose `node_modules` may have none of our packages.
 */
const PACKAGE_FOLDERS: readonly string[] = ["cli", "connectors/kafka", "ops"];

/** All folders that the tables above name, each once. */
const NAMED_FOLDERS: readonly string[] = [
  ...new Set([
    ...[LAYERS, EXTRA, APART, ROOMS].flatMap((table) => Object.entries(table).flat(2)),
    ...PACKAGE_FOLDERS,
  ]),
];

/** One import; `from` and `to` are paths from the root of the repository. */
export interface Import {
  from: string;
  /** Not a path where it leads out of the repository: `npm:…`, `node:…`. */
  to: string;
  /** Counted from 1. */
  line: number;
}

/** Everything that is wrong, one line each, in the order of the files. */
export function findProblems(files: readonly string[], imports: readonly Import[]): string[] {
  return [
    ...files.flatMap((file) => unknownFolder(file) ?? []),
    ...imports.flatMap((each) => wrongDirection(each) ?? []),
    ...findCycles(imports).map((cycle) => `${cycle.join(" → ")}: imports in a circle`),
  ];
}

/**
 * One line for each folder or file that the tables name but that does not exist. After a rename, a
 * rule for the old name would otherwise apply to nothing, and nobody would notice.
 */
export function missingFolders(
  files: readonly string[],
  named: readonly string[] = NAMED_FOLDERS,
): string[] {
  const isThere = (name: string) =>
    files.some((file) => file === `src/${name}` || file.startsWith(`src/${name}/`));
  return named.filter((name) => !isThere(name))
    .map((name) =>
      `src/${name}: has no files, but the tables in tools/check_imports.ts name it: ` +
      "correct the name or remove it"
    );
}

function unknownFolder(file: string): string | undefined {
  const layer = layerOf(file);
  if (layer !== undefined && Object.hasOwn(LAYERS, layer) && !isUnknownRoom(roomOf(file))) {
    return undefined;
  }
  return `${file}: not in a folder that the table in tools/check_imports.ts knows`;
}

/** Whether a folder belongs to a connector with rooms, but is not one of its rooms. */
function isUnknownRoom(room: string | undefined): boolean {
  if (room === undefined || Object.hasOwn(ROOMS, room)) return false;
  const connector = room.slice(0, room.lastIndexOf("/") + 1);
  return Object.keys(ROOMS).some((each) => each.startsWith(connector));
}

/** What is wrong with this import taken by itself, if anything. */
export function wrongDirection({ from, to, line }: Import): string | undefined {
  const place = `${from}:${line}`;
  const folder = folderOf(from);
  if (/^(npm:\/?)?kafkajs(@|\/|$)/.test(to)) {
    if (roomOf(from) === KAFKAJS_ROOM) return undefined;
    return `${place}: imports kafkajs, which only src/${KAFKAJS_ROOM} may`;
  }
  if (/^(npm|jsr):/.test(to) && !PACKAGE_FOLDERS.includes(folder ?? "")) {
    return `${place}: imports ${to}, but a flow must load in a project that lacks our packages`;
  }
  if (/^(npm|node|jsr|data|https?):/.test(to)) return undefined;
  if (!to.startsWith("src/")) return `${place}: imports ${to}, but src must do without it`;
  const apart = APART[innerFolderOf(from) ?? ""] ?? [];
  const target = innerFolderOf(to);
  if (target !== undefined && apart.includes(target)) {
    return `${place}: imports ${to}, but ${innerFolderOf(from)} must do without ${target}`;
  }
  if (folderOf(to) === folder) return wrongRoom({ from, to, line });

  const layer = LAYERS[layerOf(from) ?? ""];
  // A file in an unknown folder is a problem of its own; there is no rule for what it may import.
  if (layer === undefined) return undefined;
  const allowed = [...layer, ...EXTRA[folder ?? ""] ?? []];
  if (allowed.includes(folderOf(to) ?? "")) return undefined;
  const rest = allowed.length === 0 ? "nothing of ours" : `only ${allowed.join(", ")}`;
  return `${place}: imports ${to}, but ${folder} may import ${rest} besides itself`;
}

/** What is wrong with an import between the rooms of one connector, if anything. */
function wrongRoom({ from, to, line }: Import): string | undefined {
  const room = roomOf(from);
  const allowed = ROOMS[room ?? ""];
  const target = roomOf(to) ?? to.slice("src/".length); // a file at the top goes by its own name
  if (allowed === undefined || target === room || allowed.includes(target)) return undefined;
  const rest = allowed.length === 0 ? "nothing of its connector" : `only ${allowed.join(", ")}`;
  return `${from}:${line}: imports ${to}, but ${room} may import ${rest} besides itself`;
}

/** `core` for `src/core/ids.ts`; nothing for files that lie in `src` itself or outside of it. */
function layerOf(file: string): string | undefined {
  const [top, layer, ...rest] = file.split("/");
  return top === "src" && rest.length > 0 ? layer : undefined;
}

/** The layer, but each connector is a folder of its own, such as `connectors/kafka`. */
function folderOf(file: string): string | undefined {
  const layer = layerOf(file);
  const [, , connector, ...rest] = file.split("/");
  return layer === "connectors" && rest.length > 0 ? `connectors/${connector}` : layer;
}

/** `connectors/kafka/wire` for `src/connectors/kafka/wire/fetch.ts`; nothing for higher files. */
function roomOf(file: string): string | undefined {
  const [top, layer, connector, room, ...rest] = file.split("/");
  const isRoom = top === "src" && layer === "connectors" && rest.length > 0;
  return isRoom ? `${layer}/${connector}/${room}` : undefined;
}

/** `runtime/run` for `src/runtime/run/conductor.ts`; nothing for files directly in a layer. */
function innerFolderOf(file: string): string | undefined {
  const [top, layer, inner, ...rest] = file.split("/");
  return top === "src" && rest.length > 0 ? `${layer}/${inner}` : undefined;
}

/**
 * Circles of files, each from its first file back to it. There is one for every import that closes
 * a circle, so a large knot shows some of its circles, and at least one.
 */
export function findCycles(imports: readonly Import[]): string[][] {
  const targets = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    targets.set(from, (targets.get(from) ?? new Set()).add(to));
  }

  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  function visit(file: string): void {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of targets.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  }
  for (const file of targets.keys()) visit(file);
  return cycles;
}

/** The imports of all files, and those files that Deno cannot read or resolve. */
export function readInfo(root: URL, info: DenoInfo): { imports: Import[]; broken: string[] } {
  const fromRoot = (url: string) => url.startsWith(root.href) ? url.slice(root.href.length) : url;
  const imports: Import[] = [];
  const broken: string[] = [];
  for (const { specifier, error, dependencies = [] } of info.modules) {
    const from = fromRoot(specifier);
    // mod.ts and cli.ts may import all of src, so what they import is of no interest.
    if (!from.startsWith("src/")) continue;
    if (error !== undefined) broken.push(`${from}: ${error.split("\n")[0]}`);
    for (const { code, type } of dependencies) {
      for (const target of [code, type]) {
        if (target === undefined) continue;
        const line = target.span.start.line + 1;
        if (target.specifier !== undefined) {
          imports.push({ from, to: fromRoot(target.specifier), line });
        } else {
          broken.push(`${from}:${line}: ${target.error}`);
        }
      }
    }
  }
  return { imports, broken };
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const files = await listFiles(root, "src");
  const { imports, broken } = readInfo(root, await denoInfo(root, files));
  const problems = [...broken, ...missingFolders(files), ...findProblems(files, imports)];
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
  console.log(`imports: ${files.length} files, all pointing the right way`);
}
