/** Is given where code may warn of something that does not happen in the test. */
export function refuseWarning(text: string): never {
  throw new Error(`a warning that was not to come: ${text}`);
}
