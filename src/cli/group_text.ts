/**
 * Shows what the groups of an app do, as text or as JSON.
 *
 * @module
 */
import { counted } from "../core/counted.ts";
import { oneLine } from "../core/safe_text.ts";
import type { AppStatus, GroupStatus, TaskInfo } from "../connectors/kafka_tasks/group_status.ts";
import { table } from "./table.ts";

/** How many characters of an id are enough to tell members apart. */
const SHORT_ID = 8;

/** Returns an app as lines of text. */
export function groupText({ app, settings, hasBegun, topics, groups }: AppStatus): string {
  const head = [`app        ${oneLine(app)}`];
  if (settings === null) head.push("topology   unknown: its control topic says nothing");
  else {
    const { hash, shards, protocol, moving } = settings;
    head.push(
      `topology   ${oneLine(hash)}, ${counted(shards, "shard")}`,
      `protocol   ${oneLine(protocol)}`,
    );
    if (moving !== undefined) {
      const to = `${oneLine(moving.hash)} (${oneLine(moving.protocol)})`;
      head.push(`changes    to ${to}, once no machine runs the app`);
    }
  }
  const names = topics.map(({ topic, partitions }) => `${oneLine(topic)} (${partitions})`);
  head.push(`topics     ${names.join(", ") || "none"}`);
  return [head.join("\n"), ...groups.flatMap((each) => groupParts(each, hasBegun))].join("\n\n") +
    "\n";
}

/** What a broker says of a group that it does not have. */
const DEAD = "Dead";

/** What that means, as most of them never die. */
function goneText(hasBegun: boolean): string {
  return hasBegun
    ? "the cluster does not have it any more: it has expired or was deleted. If machines refuse to " +
      "start, reset has the app begin again"
    : "not there yet: the app was reset or is new, and begins with the next start of a machine";
}

function groupParts(group: GroupStatus, hasBegun: boolean): string[] {
  const { groupId, isCurrent, state, epoch, status, members, tasks, lags } = group;
  const isGone = state === DEAD && isCurrent;
  const facts = [isGone ? goneText(hasBegun) : state, ...epoch === null ? [] : [`epoch ${epoch}`]];
  if (!isCurrent) facts.push("of another generation of the app");
  const head = [`group      ${oneLine(groupId)}: ${facts.map(oneLine).join(", ")}`];
  head.push(`tasks      ${ownersText(tasks)}`);
  if (status !== null) head.push(`waits      ${oneLine(status)}`);
  const idOf = shortIds(members.map(({ id }) => id));
  const nodeOf = shortIds(members.flatMap(({ processId }) => processId ?? []));
  const parts = [head.join("\n")];
  if (members.length > 0) {
    const sorted = [...members].sort((a, b) =>
      (a.processId ?? "").localeCompare(b.processId ?? "") || a.id.localeCompare(b.id)
    );
    parts.push(table([
      ["node", "host", "member", "epoch", "tasks", "standbys"],
      ...sorted.map(({ id, processId, host, epoch, owned, standbys }) => [
        processId === null ? "-" : nodeOf(processId),
        oneLine(host.replace(/^\//, "")),
        idOf(id),
        String(epoch ?? "-"),
        String(owned.size),
        String(standbys.size),
      ]),
    ]));
  }
  if (tasks.length > 0) {
    parts.push(table([
      ["task", "member", "input lag", "shuffle lag", "state"],
      ...tasks.map((each) => [
        oneLine(each.task),
        ownerText(each, idOf),
        String(each.inputLag ?? "-"),
        String(each.shuffleLag ?? "-"),
        stateText(each),
      ]),
    ]));
  }
  if (lags.length > 0) {
    parts.push(table([
      ["topic", "read as", "lag"],
      ...lags.map(({ topic, kind, records }) => [oneLine(topic), kind, String(records)]),
    ]));
  }
  return parts;
}

function ownersText(tasks: readonly TaskInfo[]): string {
  const owned = tasks.filter(({ owner }) => owner !== null).length;
  const moving = tasks.filter(({ owner, next }) => owner !== null && next !== null).length;
  const facts = [`${owned} of ${tasks.length} have a member`];
  if (moving > 0) facts.push(`${moving} move to another one`);
  return facts.join(", ");
}

function ownerText({ owner, next }: TaskInfo, idOf: (id: string) => string): string {
  const now = owner === null ? "nobody" : idOf(owner);
  return next === null ? now : `${now} -> ${idOf(next)}`;
}

function stateText({ stateRecords, onDisk }: TaskInfo): string {
  if (stateRecords === null) return "-";
  const disk = onDisk === null || stateRecords === 0
    ? ""
    : `, ${Math.floor(onDisk / stateRecords * 100)} % on disk`;
  return `${counted(stateRecords, "record")}${disk}`;
}

/** Returns what shows ids: their beginnings, if no two are alike then. */
function shortIds(ids: readonly string[]): (id: string) => string {
  const all = new Set(ids);
  const short = (id: string) => id.slice(0, SHORT_ID);
  const isClear = new Set([...all].map(short)).size === all.size;
  return (id) => oneLine(isClear ? short(id) : id);
}

/** Returns an app as JSON, on one line. */
export function groupJson({ app, settings, topics, groups }: AppStatus): string {
  const document = {
    app,
    shards: settings?.shards ?? null,
    protocol: settings?.protocol ?? null,
    hash: settings?.hash ?? null,
    topics,
    groups: groups.map(({ members, ...group }) => ({
      ...group,
      members: members.map(({ owned, target, standbys, onDisk: _, ...member }) => ({
        ...member,
        tasks: [...owned],
        target: [...target],
        standbys: [...standbys],
      })),
    })),
  };
  return `${oneLine(JSON.stringify(document))}\n`;
}
