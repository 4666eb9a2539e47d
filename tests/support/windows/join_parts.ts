import type {
  Dataflow,
  JoinWindowOptions,
  Keyed,
  WindowClock,
  WindowedDataflow,
  Windower,
} from "../../../mod.ts";

/** A value with its time, or one without a time. */
export type Timed = readonly [time: number, name: unknown] | undefined;

/** A value and its side. Tests put all sides into one input, so that their order is known. */
export type Sided = readonly [side: number, value: Timed];

/** Splits a stream of values with their sides into one stream for each side. */
export function partsOf<V>(
  items: Dataflow<Keyed<readonly [side: number, value: V]>>,
  count: number,
): [first: Dataflow<Keyed<V>>, ...others: Dataflow<Keyed<V>>[]] {
  const parts: Dataflow<Keyed<V>>[] = [];
  let rest = items;
  for (let side = 0; side < count; side++) {
    const [part, others] = rest.branch(([, [of]]) => of === side);
    parts.push(part.mapValue(([, value]) => value));
    rest = others;
  }
  const [first, ...others] = parts;
  return [first, ...others];
}

/** Splits a stream by side, and joins the parts in windows. The step's id is `join`. */
export function joinParts(
  items: Dataflow<Keyed<Sided>>,
  count: number,
  clock: WindowClock<Timed>,
  windower: Windower,
  options: JoinWindowOptions = {},
): WindowedDataflow<unknown[], Timed> {
  const [first, ...others] = partsOf(items, count);
  return first.joinWindow("join", clock, windower, others, options);
}
