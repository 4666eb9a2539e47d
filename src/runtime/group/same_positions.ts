import type { StoredPosition } from "../../recovery/store.ts";

/** Remembers positions, so that an epoch without any other need not be committed. */
export class SamePositions {
  #known = new Map<string, Uint8Array>();

  /** These are the positions now. */
  set(positions: readonly StoredPosition[]): void {
    this.#known = new Map(positions.map((position) => [nameOf(position), position.state]));
  }

  /** Returns whether these are the same, in any order. */
  has(positions: readonly StoredPosition[]): boolean {
    return positions.length === this.#known.size && positions.every((position) => {
      const known = this.#known.get(nameOf(position));
      return known !== undefined && isSame(known, position.state);
    });
  }
}

function nameOf({ role, step, partition }: StoredPosition): string {
  return JSON.stringify([role, step, partition]);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
