/** Flows with a worker that is killed while the workers connect to one another. */
import { Dataflow, TestingInputConfig, TestingOutputConfig } from "millrace";

/** Has worker 0 call `before` and kill itself: another worker first proves itself to that one. */
function dying(before: () => void): Dataflow<number> {
  crypto.subtle.verify = () => {
    before();
    Deno.kill(Deno.pid, "SIGKILL");
    return new Promise(() => {});
  };
  return new Dataflow("dying")
    .input("in", new TestingInputConfig([1]))
    .capture(new TestingOutputConfig<number>([]));
}

/** The coordinator sees at once that it has ended. */
export function atOnce(): Dataflow<number> {
  return dying(() => {});
}

/**
 * The coordinator sees it a second later: a process is left that holds the worker's standard output
 * open. The other worker is the first to notice.
 */
export function unseen(): Dataflow<number> {
  return dying(() => {
    new Deno.Command("sleep", { args: ["1.5"], stdin: "null", stderr: "null" }).spawn();
  });
}
