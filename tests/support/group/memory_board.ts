/** What takers of tasks post, in memory. */
import type { TaskId } from "../../../src/core/task_id.ts";
import type { HandOverBoard, TakerNotice } from "../../../src/group/hand_over.ts";

/** A board that answers when it is told to, or fails. */
export class MemoryBoard implements HandOverBoard {
  readonly notices = new Map<TaskId, TakerNotice>();
  /** Each post: its tasks, with their stages. */
  readonly posts: string[] = [];
  reads = 0;
  /** Called before each answer, and before notices are there. It may throw, or never resolve. */
  turn: (what: "post" | "read") => Promise<void> = () => Promise.resolve();

  async post(notices: ReadonlyMap<TaskId, TakerNotice>): Promise<void> {
    const what = Array.from(notices, ([task, { stage }]) => `${task} ${stage}`).join(", ");
    await this.turn("post");
    this.posts.push(what);
    for (const [task, notice] of notices) this.notices.set(task, notice);
  }

  async read(tasks: Iterable<TaskId>): Promise<ReadonlyMap<TaskId, TakerNotice>> {
    this.reads++;
    await this.turn("read");
    const found = [...tasks].flatMap((task) => {
      const notice = this.notices.get(task);
      return notice === undefined ? [] : [[task, notice] as const];
    });
    return new Map(found);
  }
}
