/** Exports that are not flows: classes, and a function. */
export class Circle {
  readonly radius = 1;
}

export const Counts = Map;

export function square(): number {
  return 4;
}
