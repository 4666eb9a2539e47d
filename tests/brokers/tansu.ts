/** Tansu, a broker written in Rust, with its store in memory, which is lost when it ends. */
import {
  cacheFolder,
  exists,
  freePort,
  NotHere,
  Processes,
  type RunningBroker,
  runTool,
} from "./processes.ts";

const VERSION = "0.6.0";

/** Building it quickly matters more than its speed. */
const PROFILE = { CARGO_PROFILE_RELEASE_LTO: "off", CARGO_PROFILE_RELEASE_OPT_LEVEL: "0" };

/** Starts it. If requested, builds it first, which takes some ten minutes. */
export async function startTansu({ build }: { readonly build: boolean }): Promise<RunningBroker> {
  const folder = `${cacheFolder()}/tansu-${VERSION}`;
  const program = `${folder}/bin/tansu`;
  if (!await exists(program)) {
    if (!build) throw new NotHere("its build takes some ten minutes: BROKERS=tansu does it, once");
    const features = ["--no-default-features", "--features", "dynostore"];
    const env = { ...PROFILE, CARGO_TARGET_DIR: `${folder}/target` };
    const what = ["tansu", "--version", VERSION, "--locked", ...features, "--root", folder];
    await runTool("cargo", ["install", ...what], { env });
    await Deno.remove(env.CARGO_TARGET_DIR, { recursive: true });
  }
  const processes = await Processes.create();
  try {
    const port = freePort();
    const url = `tcp://127.0.0.1:${port}`;
    const where = ["--listener-url", url, "--advertised-listener-url", url];
    processes.start("tansu", program, ["broker", ...where, "--storage-engine", "memory://tansu/"]);
    await processes.listening("tansu", port);
    return {
      brokers: [`127.0.0.1:${port}`],
      [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
    };
  } catch (error) {
    await processes[Symbol.asyncDispose]();
    throw error;
  }
}
