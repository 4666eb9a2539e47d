/**
 * The environment of this process, where flows may run without the permission to read it.
 *
 * @module
 */

/** Returns a variable; `undefined` if it is not set, or may not be read. Nobody is asked. */
export function environmentVariable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
