/**
 * Groups the clicks in a file into sessions, which end after half an hour without a click. Prints
 * how many pages each user saw, and for how long. Clicks that arrive after their session has closed
 * are late.
 *
 *     deno run -A cli.ts examples/sessions.ts
 */
import {
  Dataflow,
  EventClockConfig,
  FileInputConfig,
  SessionWindowConfig,
  StdOutputConfig,
} from "@millrace/millrace";

interface Click {
  readonly user: string;
  readonly page: string;
  readonly at: string;
}

const GAP = 30 * 60_000;

const clock = new EventClockConfig({
  getTime: ({ at }: Click) => new Date(at),
  wait: { minutes: 10 }, // for clicks that are out of order, as one of bob's
});

const sessions = new Dataflow("sessions")
  .input("clicks", new FileInputConfig({ path: new URL("./clicks.jsonl", import.meta.url) }))
  .map((line): Click => JSON.parse(line))
  .keyOn(({ user }) => user)
  .countWindow("sessions", clock, new SessionWindowConfig({ gap: GAP }));

sessions.windows
  .map(([user, [{ openAt, closeAt }, pages]]) => {
    // a session is open for the gap after its last click
    const last = new Date(closeAt.getTime() - GAP);
    const minutes = (last.getTime() - openAt.getTime()) / 60_000;
    return `${user} ${time(openAt)}-${time(last)} pages: ${pages}, minutes: ${minutes.toFixed(1)}`;
  })
  .capture("ended", new StdOutputConfig());

sessions.late
  .map(([user, { page, at }]) => `${user} ${time(new Date(at))}: ${page} came too late`)
  .capture("late", new StdOutputConfig());

export default sessions;

function time(at: Date): string {
  return at.toISOString().slice(11, 16);
}
